"""Who may ask: the tokens that callers present as `authorization: Bearer <token>`."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from hmac import compare_digest
from pathlib import Path
from typing import Final

from facebeam.runners.service.serve_options import TOKENS_VARIABLE
from facebeam.schemas.errors import ErrorCode, RunError
from facebeam.schemas.values import Failure, FailureError

_SCHEME: Final = "bearer"


@dataclass(frozen=True)
class AcceptedTokens:
    """The accepted tokens, as sha256 digests: the tokens themselves are kept nowhere. None: any will do."""

    digests: tuple[bytes, ...] = ()

    def check(self, authorization: str | None) -> None:
        """Check a request's header.

        Raises:
            FailureError: `authorization_missing` without the header, `invalid_token` with any but
                `Bearer <an accepted token>`.
        """
        if authorization is None:
            raise _refused(ErrorCode.AUTHORIZATION_MISSING, "send the header 'authorization: Bearer <token>'")
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != _SCHEME or not token.strip() or not self._accepts(token.strip()):
            raise _refused(ErrorCode.INVALID_TOKEN, "the token is not one that this server accepts")

    def _accepts(self, token: str) -> bool:
        presented = _digest(token)
        same = [compare_digest(presented, known) for known in self.digests]  # all of them: time tells nothing
        return not self.digests or any(same)


def find_tokens(token_file: str | None, environment: Mapping[str, str]) -> AcceptedTokens:
    """Read the tokens from a file, else from the environment; with neither, any token is accepted.

    Raises:
        RunError: the file cannot be read, or what was given has no token in it: an empty list must not open
            the server to everybody.
    """
    if token_file is not None:
        return _parse(_content(token_file), f"--token-file {token_file}")
    if (given := environment.get(TOKENS_VARIABLE)) is not None:
        return _parse(given, TOKENS_VARIABLE)
    return AcceptedTokens()


def _content(token_file: str) -> str:
    try:
        return Path(token_file).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:  # ValueError: no UTF-8, or a zero byte in the path
        reason = getattr(error, "strerror", None) or "it is no text"
        raise RunError(f"--token-file {token_file} cannot be read: {reason}") from None


def _parse(text: str, where: str) -> AcceptedTokens:
    tokens = text.split()
    if not tokens:
        raise RunError(
            f"{where} has no token in it: write one a line, or leave it away to accept every token"
        )
    if not all(token.isascii() and token.isprintable() for token in tokens):
        raise RunError(f"{where} has a token that no HTTP header can carry: use printable ASCII only")
    return AcceptedTokens(tuple(map(_digest, tokens)))


def _digest(token: str) -> bytes:
    return sha256(token.encode("latin-1", "replace")).digest()


def _refused(code: ErrorCode, message: str) -> FailureError:
    return FailureError(Failure(code, message, stage="serve"))
