"""Where the token lies. Only this reference travels; the token is read on the worker that sends it."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from schemas.errors import RunError
from schemas.values import FailureError
from transforms.api_client.bearer_token import Token
from transforms.api_client.secret_manager import read_secret
from transforms.image_fetch.read_bucket_image import BUCKETS, read_bucket_image

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
    """Read a local file with Python's own means, since Beam's cost 1.7 s to import."""
    try:
        if path.partition("://")[0].lower() in BUCKETS:
            return read_bucket_image(path, _MAX_BYTES).decode("latin-1")
        if Path(path).is_fifo() or Path(path).is_char_device():
            raise RunError(
                f"{place} cannot be read (no regular file, and workers read it again): "
                "put the token into one, and name that with --token-file"
            )
        with Path(path).open("rb") as file:
            return file.read(_MAX_BYTES + 1).decode("latin-1")
    except FailureError as error:
        raise RunError(f"{place} cannot be read: {error.failure.message}") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        detail = getattr(error, "strerror", None) or "no path"
        raise RunError(f"{place} cannot be read ({detail}): check --token-file and its rights") from None
