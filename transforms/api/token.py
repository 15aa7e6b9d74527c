"""Where the token lies, and the token: a value that no print, log, format, pickle or echo gives away."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

from requests.structures import CaseInsensitiveDict

from facebeam.schemas.errors import RunError
from facebeam.transforms.api.reply import Reply
from facebeam.transforms.files.any_store import is_local, store_of

__all__ = ["TokenReference"]

MASK: Final = "[token]"
_SHORTEST_MASKED: Final = 8
"""A shorter one is a word: no secret, and every text has it in it by chance."""
_ESCAPES: Final = ("\\", "%", "&")
_JSON_LETTERS: Final = frozenset("bfnrtu")
"""After a backslash these are line ends and the like."""


def _any_spelling(character: str) -> str:
    r"""Give a pattern for a character and what JSON, URLs and HTML make of it, up to some times over.

    >>> [bool(re.fullmatch(_any_spelling("="), text)) for text in ("=", r"\\u003D", "%253d", "&#61;", "n")]
    [True, True, True, True, False]
    """
    plain, number, decimal = re.escape(character), f"{ord(character):02x}", ord(character)
    escaped = f"(?i:u00{number})" if character in _JSON_LETTERS else f"(?:(?i:u00{number})|{plain})"
    entity = f"&#(?:0{{0,5}}{decimal}|(?i:x0{{0,5}}{number}));?"
    return rf"(?:{plain}|\\{{1,8}}{escaped}|%(?:25){{0,4}}(?i:{number})|{entity})"


class Token:
    """Holds a token; only `authorization` gives it away.

    Args:
        value: visible ASCII without spaces, not empty; `TokenReference.resolve` sees to that.
    """

    __slots__ = ("_spelt", "_value")

    def __init__(self, value: str) -> None:
        self._value = value
        self._spelt = re.compile("".join(map(_any_spelling, value)))

    @property
    def _is_secret(self) -> bool:
        return len(self._value) >= _SHORTEST_MASKED

    def authorization(self) -> str:
        """Give the value of the header `authorization`."""
        return f"Bearer {self._value}"

    def masked(self, text: str) -> str:
        """Give a foreign text with `[token]` for each echo of the token, however that is escaped."""
        if not self._is_secret:
            return text
        if any(escape in text for escape in _ESCAPES):  # slow: an answer has none
            return self._spelt.sub(MASK, text)
        return text.replace(self._value, MASK)

    def masked_reply(self, reply: Reply) -> Reply:
        """Give a reply without echoes of the token, before anything is read out of it or cut in two."""
        headers = {name: self.masked(value) for name, value in reply.headers.items()}
        body = self.masked(reply.body.decode("latin-1")).encode("latin-1")  # any bytes, one character each
        return Reply(reply.status, CaseInsensitiveDict(headers), body)

    def __repr__(self) -> str:
        return MASK

    def __reduce__(self) -> NoReturn:
        raise TypeError("a token cannot be pickled: send its TokenReference, and resolve that on the worker")


def read_secret(name: str) -> str:
    """Read a secret, by default its latest version.

    Raises:
        RunError: the name is none, the extra is not installed, or Google refuses; names the secret.
    """
    if not re.fullmatch(r"projects/[^/]+/secrets/[^/]+(/versions/[^/]+)?", name):
        raise RunError(f"secret {name} is no name: write projects/<project>/secrets/<secret>")
    try:
        from google.api_core import exceptions as api  # type: ignore[import-untyped]  # noqa: PLC0415 - an extra
        from google.auth import exceptions as auth  # type: ignore[import-untyped]  # noqa: PLC0415 - an extra
        from google.cloud import secretmanager  # type: ignore[import-untyped]  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise RunError(f"secret {name} cannot be read: pip install 'facebeam[gcp]'") from error
    version = name if "/versions/" in name else f"{name}/versions/latest"
    try:
        found = secretmanager.SecretManagerServiceClient().access_secret_version(name=version)
    except (api.GoogleAPIError, auth.GoogleAuthError) as error:
        cure = "check --token-secret, and that this account has the role secretmanager.secretAccessor"
        raise RunError(f"secret {name} cannot be read ({type(error).__name__}): {cure}") from error
    value: bytes = found.payload.data
    return value.decode("latin-1")


TOKEN_VARIABLE: Final = "ACEDATACLOUD_API_TOKEN"  # noqa: S105 - a name, not a token
_MAX_BYTES: Final = 8192
_VISIBLE: Final = re.compile("[!-~]{1,8192}")  # RFC 9110, VCHAR: what may stand in a header as it is


@dataclass(frozen=True, slots=True)
class TokenReference:
    """Name the place of a token: a secret, else a file, else a variable of the environment.

    Args:
        env: an environment variable, which every worker must have.
        file: a path on any of Beam's file systems.
        secret: of Google's Secret Manager, `projects/<project>/secrets/<secret>[/versions/<version>]`.
    """

    env: str = TOKEN_VARIABLE
    file: str | None = None
    secret: str | None = None

    def __str__(self) -> str:
        if self.secret:
            return f"secret {self.secret}"
        return f"token file {self.file}" if self.file else f"environment variable {self.env}"

    def resolve(self) -> Token:
        """Read the token, here and now, without the white space around it.

        Raises:
            RunError: there is none, or it is none; names the place and never the value.
        """
        token = self._read().strip()
        if not token:
            raise RunError(f"{self} is empty: put the API token there")
        if not _VISIBLE.fullmatch(token):
            raise RunError(
                f"{self} is no token: over 8 KB, or white space, control or non-ASCII characters in it; "
                "put the token there alone, without 'Bearer'"
            )
        return Token(token)

    def _read(self) -> str:
        if self.secret:
            return read_secret(self.secret)
        return _read_file(self.file, str(self)) if self.file else self._read_env()

    def _read_env(self) -> str:
        try:
            return os.environ[self.env]
        except KeyError:
            raise RunError(
                f"{self} is not set: export it, on every worker, or name a file with --token-file"
            ) from None


def _read_file(path: str, place: str) -> str:
    try:
        return _first_bytes(path).decode("latin-1")
    except (OSError, ValueError, RunError) as error:  # ValueError: a NUL in the path
        detail = getattr(error, "strerror", None) or str(error)
        raise RunError(f"{place} cannot be read ({detail}): check --token-file and its rights") from None


def _first_bytes(path: str) -> bytes:
    """Read a file; of one that is too long, enough to show that it is."""
    if is_local(path) and (Path(path).is_fifo() or Path(path).is_char_device()):
        raise OSError("no regular file: each worker reads it again, so put the token into one")
    with store_of(path).opened(path) as file:
        return file.read(_MAX_BYTES + 1)
