"""Let calls go at a rate that is a ceiling: in no second more than were allowed, retries included.

Two rules together. Slots at even distances keep calls from bunching. A log of the last calls makes the
ceiling hard: a call leaves only when the one that is `rate` calls back was on the wire a second ago. So it
holds at the other side, however long a thread takes from the gate to the wire.

When the other side asks for fewer calls, the rate is halved and creeps back: fast to just below the rate that
was refused, then slowly on, as CUBIC does it (RFC 9438).
"""

from collections import deque
from collections.abc import Callable
from threading import Lock
from time import monotonic
from time import sleep as real_sleep
from typing import Final

MOST_PER_S: Final = 10_000.0
"""More calls than a process can send: the largest rate, and that of a run whose rate is unlimited."""
LARGEST_WINDOW: Final = 1000
"""The most calls in flight."""
MARGIN: Final = 0.01
"""Share of the ceiling that is left unused: calls travel for different times, and must not meet."""
SECONDS_BACK: Final = 2.0
"""From half the refused rate back to just below it."""
JUST_BELOW: Final = 0.97
PROBE_PER_S: Final = 0.002
"""Share of the allowed rate that is won back each second beyond that."""
CALM_S: Final = 1.0
"""Refusals within this time of the last one were under way already, and say nothing new."""
UNSENT_LOOK_S: Final = 0.005
"""A call that has passed the gate is looked at so often until it is sent."""


class Turn:
    """A call that may leave; `sent` has to be told when it has left, or will not."""

    __slots__ = ("_clock", "released_at", "sent_at")

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.released_at = clock()
        self.sent_at: float | None = None

    def sent(self) -> None:
        """Take note that the call is on the wire; the first time counts."""
        if self.sent_at is None:
            self.sent_at = self._clock()


class Pacer:
    """A gate that threads pass one at a time.

    Args:
        rate_per_s: the ceiling, calls a second; below 1 it is one call in `1 / rate_per_s` seconds.
        clock: seconds that only grow.
        sleep: waits for seconds.
    """

    def __init__(
        self,
        rate_per_s: float,
        clock: Callable[[], float] = monotonic,
        sleep: Callable[[float], None] = real_sleep,
    ) -> None:
        self._allowed: Final = rate_per_s
        self._clock = clock
        self._sleep = sleep
        self._lock = Lock()
        self._burst: Final = max(1, int(rate_per_s))
        self._turns: Final[deque[Turn]] = deque(maxlen=self._burst)
        self._slot = float("-inf")
        self._refused_rate: float | None = None
        self._refused_at = float("-inf")
        self._paused_until = float("-inf")
        self._waiting = 0
        self._held_since = 0.0
        self._held_s = 0.0

    def wait_for_turn(self) -> Turn:
        """Block until a call may leave. Whoever gets the turn has to tell when it is sent."""
        with self._lock:
            self._waiting += 1
            if self._waiting == 1:
                self._held_since = self._clock()
        try:
            while isinstance(turn := self._take_turn(), float):
                self._sleep(turn)
            return turn
        finally:
            with self._lock:
                self._waiting -= 1
                if self._waiting == 0:
                    self._held_s += self._clock() - self._held_since

    @property
    def held_back_s(self) -> float:
        """Seconds in which at least one call has waited for its turn."""
        with self._lock:
            return self._held_s + (self._clock() - self._held_since if self._waiting else 0.0)

    def slow_down(self, for_s: float = 0.0) -> None:
        """Take note that a call was refused; nothing leaves for `for_s` seconds."""
        with self._lock:
            now = self._clock()
            self._slot = max(self._slot, now + for_s)
            self._paused_until = max(self._paused_until, now + for_s)
            if now - self._refused_at >= CALM_S:
                self._refused_rate = min(self._rate(now), self._sent_within(1.0, now))
                self._refused_at = now

    @property
    def pause_s(self) -> float:
        """Seconds until calls may leave again after the last refusal, 0 where they may."""
        return max(0.0, self._paused_until - self._clock())

    @property
    def rate_per_s(self) -> float:
        """The rate of the moment."""
        with self._lock:
            return self._rate(self._clock())

    def _take_turn(self) -> Turn | float:
        """Take the next turn if it has come, else tell how long it is off, in seconds."""
        with self._lock:
            now = self._clock()
            rate = self._rate(now)
            due = max(self._slot, self._window_opens(now))
            if now < due:
                return due - now
            # A late thread may catch up a little; the log of releases keeps the ceiling all the same.
            self._slot = max(self._slot, now - 2 / rate) + 1 / rate
            self._turns.append(turn := Turn(self._clock))
            return turn

    def _window_opens(self, now: float) -> float:
        """Tell when the call that is `burst` calls back has left the window of the ceiling."""
        if len(self._turns) < self._burst:
            return float("-inf")
        sent_at = self._turns[0].sent_at
        if sent_at is None:
            return now + UNSENT_LOOK_S
        return sent_at + self._burst / self._allowed * (1 + MARGIN)

    def _sent_within(self, seconds: float, now: float) -> int:
        """Count the calls of late: who is not held back by the gate may send less than it allows."""
        return max(1, sum(1 for turn in self._turns if turn.released_at > now - seconds))

    def _rate(self, now: float) -> float:
        """Give the rate at a time: `allowed`, or what the last refusal has left of it."""
        if self._refused_rate is None:
            return self._allowed
        since_s = now - self._refused_at
        low, high = self._refused_rate / 2, self._refused_rate * JUST_BELOW
        if since_s < SECONDS_BACK:
            return low + (high - low) * since_s / SECONDS_BACK
        probed = high + self._allowed * PROBE_PER_S * (since_s - SECONDS_BACK)
        return min(self._allowed, probed)
