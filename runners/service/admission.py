"""Decide which requests to accept: with an accepted token, within a rate, while the queue has places."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from hmac import compare_digest
from pathlib import Path
from time import monotonic
from typing import Final
from weakref import WeakValueDictionary

from facebeam.runners.service.serve_options import TOKENS_VARIABLE
from facebeam.schemas.errors import ErrorCode, RunError
from facebeam.schemas.values import Failure, FailureError

RETRY_AFTER_S: Final = 1.0
_SCHEME: Final = "bearer"


@dataclass(frozen=True)
class AcceptedTokens:
    """The accepted tokens as sha256 digests; the tokens are not stored. No digests: accept any token."""

    digests: tuple[bytes, ...] = ()

    def check(self, authorization: str | None) -> None:
        """Check the header `authorization` of a request.

        Raises:
            FailureError: `authorization_missing` if there is no header; `invalid_token` if it is anything
                except `Bearer <an accepted token>`.
        """
        if authorization is None:
            raise refused(ErrorCode.AUTHORIZATION_MISSING, "send the header 'authorization: Bearer <token>'")
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != _SCHEME or not token.strip() or not self._accepts(token.strip()):
            raise refused(ErrorCode.INVALID_TOKEN, "the token is not one that this server accepts")

    def _accepts(self, token: str) -> bool:
        presented = _digest(token)
        same = [compare_digest(presented, known) for known in self.digests]  # all: timing must not help
        return not self.digests or any(same)


def find_tokens(token_file: str | None, environment: Mapping[str, str]) -> AcceptedTokens:
    """Read the accepted tokens from a file, or else from the environment; without either, accept any token.

    Raises:
        RunError: the file cannot be read, or file or variable contain no token: an empty list must not open
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
    except (OSError, ValueError) as error:  # ValueError: not UTF-8, or a zero byte in the path
        reason = getattr(error, "strerror", None) or "it is not text in UTF-8"
        raise RunError(f"--token-file {token_file} cannot be read: {reason}") from None


def _parse(text: str, where: str) -> AcceptedTokens:
    tokens = text.split()
    if not tokens:
        raise RunError(f"{where} contains no token: write one per line, or omit it to accept every token")
    if not all(token.isascii() and token.isprintable() for token in tokens):
        raise RunError(f"{where} has a token that does not fit into a header: use printable ASCII only")
    return AcceptedTokens(tuple(map(_digest, tokens)))


def _digest(token: str) -> bytes:
    return sha256(token.encode("latin-1", "replace")).digest()


class RateCeiling:
    """Accepts at most `rate` requests in any window of one second; without a rate, all requests."""

    def __init__(self, rate: int | None, clock: Callable[[], float] = monotonic) -> None:
        self._rate = rate
        self._clock = clock
        self._taken_at: deque[float] = deque(maxlen=rate)

    def admit(self) -> None:
        """Count one request; raises FailureError `too_many_requests` if it is over the rate."""
        if self._rate is None:
            return
        now = self._clock()
        if len(self._taken_at) == self._rate and now - self._taken_at[0] < 1:
            raise _too_many(f"this server accepts {self._rate} requests per second")
        self._taken_at.append(now)


class WaitingRoom:
    """Lets `at_work` requests run at a time, and `waiting` more requests wait for a turn; for one event loop.

    Images of one host use at most half of the turns, so that a slow host delays only its own callers.
    """

    def __init__(self, at_work: int, waiting: int) -> None:
        self._most = at_work + waiting
        self._turn = asyncio.Semaphore(at_work)
        self._most_of_a_host = max(1, at_work // 2)
        self._turns: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()
        self.inside = 0
        """Number of callers that wait for an answer."""

    @contextmanager
    def place(self) -> Iterator[None]:
        """Take a place for the block; raises FailureError `too_many_requests` if there is none."""
        if self.inside >= self._most:
            raise _too_many(f"{self.inside} requests are in progress or waiting")
        self.inside += 1
        try:
            yield
        finally:
            self.inside -= 1

    @asynccontextmanager
    async def turn(self, host: str) -> AsyncIterator[None]:
        """Wait for a turn, and hold it during the block."""
        turn = self._turns.setdefault(host, asyncio.Semaphore(self._most_of_a_host))
        async with turn, self._turn:
            yield


def refused(code: ErrorCode, message: str, retry_after_s: float | None = None) -> FailureError:
    """Give the error of a request that this server itself refuses."""
    return FailureError(Failure(code, message, stage="serve", retry_after_s=retry_after_s))


def _too_many(message: str) -> FailureError:
    return refused(ErrorCode.TOO_MANY_REQUESTS, message, RETRY_AFTER_S)
