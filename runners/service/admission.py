"""How many requests are taken: a ceiling in time, and a bounded queue; who comes over either gets a 429."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from time import monotonic
from typing import Final
from weakref import WeakValueDictionary

from facebeam.schemas.errors import ErrorCode
from facebeam.schemas.values import Failure, FailureError

RETRY_AFTER_S: Final = 1.0


class RateCeiling:
    """Take at most `rate` requests in any window of one second; without a rate, all of them."""

    def __init__(self, rate: int | None, clock: Callable[[], float] = monotonic) -> None:
        self._rate = rate
        self._clock = clock
        self._taken_at: deque[float] = deque(maxlen=rate)

    def admit(self) -> None:
        """Take one request; raises FailureError `too_many_requests`, which counts for nothing."""
        if self._rate is None:
            return
        now = self._clock()
        if len(self._taken_at) == self._rate and now - self._taken_at[0] < 1:
            raise _too_many(f"this server takes {self._rate} requests a second")
        self._taken_at.append(now)


class WaitingRoom:
    """Let `at_work` requests in at a time, and `waiting` more wait for their turn, in one event loop.

    Images of one host take at most half of the turns, so that a slow host holds up its own callers only.
    """

    def __init__(self, at_work: int, waiting: int) -> None:
        self._most = at_work + waiting
        self._turn = asyncio.Semaphore(at_work)
        self._most_of_a_host = max(1, at_work // 2)
        self._turns: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()
        self.inside = 0
        """Callers that wait for an answer."""

    @contextmanager
    def place(self) -> Iterator[None]:
        """Have a place for the block; raises FailureError `too_many_requests` when there is none."""
        if self.inside >= self._most:
            raise _too_many(f"{self.inside} requests are under way or waiting")
        self.inside += 1
        try:
            yield
        finally:
            self.inside -= 1

    @asynccontextmanager
    async def turn(self, host: str) -> AsyncIterator[None]:
        """Wait for a turn and keep it for the block."""
        turn = self._turns.setdefault(host, asyncio.Semaphore(self._most_of_a_host))
        async with turn, self._turn:
            yield


def _too_many(message: str) -> FailureError:
    failure = Failure(ErrorCode.TOO_MANY_REQUESTS, message, stage="serve", retry_after_s=RETRY_AFTER_S)
    return FailureError(failure)
