"""Read the API token from where the user put it, and hold it so that no print, log or pickle shows it."""

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
"""A shorter token is not masked: it is too short for a secret, and texts may contain it by chance."""
_ESCAPES: Final = ("\\", "%", "&")
_JSON_LETTERS: Final = frozenset("bfnrtu")
"""After a backslash, these letters stand for other characters in JSON, such as a line end."""


def _any_spelling(character: str) -> str:
    r"""Give a pattern for a character and its forms in JSON, URLs and HTML, escaped once or several times.

    >>> [bool(re.fullmatch(_any_spelling("="), text)) for text in ("=", r"\\u003D", "%253d", "&#61;", "n")]
    [True, True, True, True, False]
    """
    plain, number, decimal = re.escape(character), f"{ord(character):02x}", ord(character)
    escaped = f"(?i:u00{number})" if character in _JSON_LETTERS else f"(?:(?i:u00{number})|{plain})"
    entity = f"&#(?:0{{0,5}}{decimal}|(?i:x0{{0,5}}{number}));?"
    return rf"(?:{plain}|\\{{1,8}}{escaped}|%(?:25){{0,4}}(?i:{number})|{entity})"


class Token:
    """Holds a token; only `authorization` shows it.

    Args:
        value: visible ASCII without spaces, not empty; `TokenReference.resolve` checks that.
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
        """Replace each copy of the token in a text by `[token]`, also if it is escaped."""
        if not self._is_secret:
            return text
        if any(escape in text for escape in _ESCAPES):  # slow, but answers have no escapes
            return self._spelt.sub(MASK, text)
        return text.replace(self._value, MASK)

    def masked_reply(self, reply: Reply) -> Reply:
        """Mask the token in a whole reply, before its parts are read or shortened."""
        headers = {name: self.masked(value) for name, value in reply.headers.items()}
        body = self.masked(reply.body.decode("latin-1")).encode("latin-1")  # latin-1 decodes any bytes
        return Reply(reply.status, CaseInsensitiveDict(headers), body)

    def __repr__(self) -> str:
        return MASK

    def __reduce__(self) -> NoReturn:
        raise TypeError("a token cannot be pickled: send its TokenReference, and resolve it on the worker")


def read_secret(name: str) -> str:
    """Read a secret from Google's Secret Manager; if the name has no version, the latest one.

    Raises:
        RunError: the name is not valid, the extra `gcp` is not installed, or Google refuses. The message
            names the secret.
    """
    if not re.fullmatch(r"projects/[^/]+/secrets/[^/]+(/versions/[^/]+)?", name):
        raise RunError(f"{name} is not the name of a secret: write projects/<project>/secrets/<secret>")
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
_VISIBLE: Final = re.compile("[!-~]{1,8192}")  # RFC 9110, VCHAR: allowed in a header without quotes


@dataclass(frozen=True, slots=True)
class TokenReference:
    """Says where the token is: in a secret, or else in a file, or else in an environment variable.

    Args:
        env: name of an environment variable, which must be set on every worker.
        file: path on any file system that Beam supports.
        secret: name in Google's Secret Manager: `projects/<project>/secrets/<secret>[/versions/<version>]`.
    """

    env: str = TOKEN_VARIABLE
    file: str | None = None
    secret: str | None = None

    def __str__(self) -> str:
        if self.secret:
            return f"secret {self.secret}"
        return f"token file {self.file}" if self.file else f"environment variable {self.env}"

    def resolve(self) -> Token:
        """Read the token on this machine, without the white space around it.

        Raises:
            RunError: the token is missing or not valid. The message names the place, never the value.
        """
        token = self._read().strip()
        if not token:
            raise RunError(f"{self} is empty: put the API token there")
        if not _VISIBLE.fullmatch(token):
            raise RunError(
                f"{self} does not hold a valid token: it is over 8 KB, or has white space, control or "
                "non-ASCII characters in it; put only the token there, without 'Bearer'"
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
                f"{self} is not set: export it on every worker, or name a file with --token-file"
            ) from None


def _read_file(path: str, place: str) -> str:
    try:
        return _first_bytes(path).decode("latin-1")
    except (OSError, ValueError, RunError) as error:  # ValueError: a NUL in the path
        detail = getattr(error, "strerror", None) or str(error)
        raise RunError(f"{place} cannot be read ({detail}): check --token-file and its rights") from None


def _first_bytes(path: str) -> bytes:
    """Read a file; if it is too long for a token, read only so much that the caller can see that."""
    if is_local(path) and (Path(path).is_fifo() or Path(path).is_char_device()):
        raise OSError("not a regular file: each worker reads it again, so put the token into a regular file")
    with store_of(path).opened(path) as file:
        return file.read(_MAX_BYTES + 1)
