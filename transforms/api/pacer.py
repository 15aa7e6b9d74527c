"""Limit the rate of calls: in no second are more calls sent than allowed, retries included.

Two rules work together. First, calls get time slots at equal distances, so that they do not bunch. Second, a
call is released only when the call `rate` places before it was sent at least a second ago. So the limit also
holds at the service, however long a thread takes between its release and its sending.

When the service asks for fewer calls, the pacer halves the rate and then raises it again: fast to just below
the rate that was refused, then slowly, as CUBIC does (RFC 9438).
"""

from collections import deque
from collections.abc import Callable
from threading import Lock
from time import monotonic
from time import sleep as real_sleep
from typing import Final

MOST_PER_S: Final = 10_000.0
"""More calls per second than a process can send: the largest valid rate, and the rate of an unlimited run."""
LARGEST_WINDOW: Final = 1000
"""Largest number of calls in flight."""
MARGIN: Final = 0.01
"""Share of the rate that is left unused, because some calls take longer to arrive than others."""
SECONDS_BACK: Final = 2.0
"""Seconds in which the rate rises from half the refused rate to just below the refused rate."""
JUST_BELOW: Final = 0.97
PROBE_PER_S: Final = 0.002
"""After that, the rate rises by this share of the allowed rate per second."""
CALM_S: Final = 1.0
"""For this long after the rate was lowered, refusals belong to calls that were already in flight. They do not
lower it again."""
UNSENT_LOOK_S: Final = 0.005
"""Seconds between two checks of whether a released call was sent."""


class Turn:
    """A released call. The caller must call `sent` when the call was sent, or when it will not be."""

    __slots__ = ("_clock", "released_at", "sent_at")

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.released_at = clock()
        self.sent_at: float | None = None

    def sent(self) -> None:
        """Record that the call was sent; only the first time counts."""
        if self.sent_at is None:
            self.sent_at = self._clock()


class Pacer:
    """Releases the calls of many threads one at a time, at a limited rate.

    Args:
        rate_per_s: largest number of calls per second; below 1: one call per `1 / rate_per_s` seconds.
        clock: gives a time in seconds that never decreases.
        sleep: waits for a number of seconds.
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
        """Block until a call may be sent. The caller must call `Turn.sent` on the result."""
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
    def throttled_s(self) -> float:
        """Seconds during which at least one call has waited for its turn."""
        with self._lock:
            return self._held_s + (self._clock() - self._held_since if self._waiting else 0.0)

    def slow_down(self, for_s: float = 0.0) -> None:
        """Lower the rate because a call was refused, and release no call for `for_s` seconds."""
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
        """The current rate in calls per second."""
        with self._lock:
            return self._rate(self._clock())

    def _take_turn(self) -> Turn | float:
        """Take the next turn if it has come, otherwise give the seconds until it comes."""
        with self._lock:
            now = self._clock()
            rate = self._rate(now)
            due = max(self._slot, self._window_opens(now))
            if now < due:
                return due - now
            # A late thread may catch up on two slots; the second rule limits the rate all the same.
            self._slot = max(self._slot, now - 2 / rate) + 1 / rate
            self._turns.append(turn := Turn(self._clock))
            return turn

    def _window_opens(self, now: float) -> float:
        """Give the time from which the second rule allows a call; the call `burst` places before decides."""
        if len(self._turns) < self._burst:
            return float("-inf")
        sent_at = self._turns[0].sent_at
        if sent_at is None:
            return now + UNSENT_LOOK_S
        return sent_at + self._burst / self._allowed * (1 + MARGIN)

    def _sent_within(self, seconds: float, now: float) -> int:
        """Count the calls released in the last `seconds`: they may be fewer than the rate allows."""
        return max(1, sum(1 for turn in self._turns if turn.released_at > now - seconds))

    def _rate(self, now: float) -> float:
        """Give the rate at a time: the allowed rate, or a lower one after a refusal."""
        if self._refused_rate is None:
            return self._allowed
        since_s = now - self._refused_at
        low, high = self._refused_rate / 2, self._refused_rate * JUST_BELOW
        if since_s < SECONDS_BACK:
            return low + (high - low) * since_s / SECONDS_BACK
        probed = high + self._allowed * PROBE_PER_S * (since_s - SECONDS_BACK)
        return min(self._allowed, probed)
