"""Limit the requests to each image host: few connections at a time, a rate, and pauses that a host asks for.

A pause delays only requests to the host that asked for it, but all of them in this process.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from threading import Condition, local
from time import monotonic
from typing import Final

from facebeam.schemas.errors import ErrorCode
from facebeam.schemas.values import NOT_SENT, Failure, FailureError
from facebeam.transforms.steps.progress import PROGRESS, stop_if_asked

MOST_REFUSED_ROUNDS: Final = 5
"""After this many refusals in a row, with longer and longer pauses, a host gets no requests for some time."""
LEFT_ALONE_S: Final = 300.0
"""After `MOST_REFUSED_ROUNDS` refusals a host gets no requests for at least this many seconds."""
LONGEST_PAUSE_S: Final = 60.0
"""Longest pause in seconds after a refusal that does not say how long to wait."""
_MOST_IDLE_HOSTS: Final = 10_000
_LOOK_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class HostLimits:
    """Limits of the requests from one process to one image host.

    Args:
        connections: number of downloads at a time; browsers use six.
        rate_per_s: largest number of requests per second, redirects and retries included. None: unlimited.
        longest_wait_s: if a host asks for a longer pause than this many seconds, its images fail at once.
    """

    connections: int = 6
    rate_per_s: float | None = None
    longest_wait_s: float = 300.0


@dataclass(slots=True)
class _Host:
    in_use: int = 0
    waiting: int = 0
    next_at: float = 0.0
    """Time from which the rate allows the next request."""
    held_until: float = 0.0
    refused_at: float = 0.0
    refused_rounds: int = 0
    """Refusals in a row; refusals of requests that were in flight together count as one."""

    def is_idle(self, now: float) -> bool:
        return not (self.in_use or self.waiting) and max(self.next_at, self.held_until) <= now


@dataclass(slots=True)
class _Hosts:
    """The image hosts of this process; all of its threads share them."""

    changed: Condition = field(default_factory=Condition)
    by_name: dict[str, _Host] = field(default_factory=dict)

    def named(self, name: str) -> _Host:
        """Give a host, and forget idle ones if there are many; the caller must hold the condition's lock."""
        if name not in self.by_name and len(self.by_name) >= _MOST_IDLE_HOSTS:
            now = monotonic()
            self.by_name = {name: host for name, host in self.by_name.items() if not host.is_idle(now)}
        return self.by_name.setdefault(name, _Host())


@cache
def _hosts(_limits: HostLimits) -> _Hosts:
    """Give the hosts of this process; all of its shards share them."""
    return _Hosts()


class _ThreadsWaits(local):
    s = 0.0


class HostTurns:
    """Gives turns at image hosts to the threads of one open fetcher."""

    def __init__(self, limits: HostLimits) -> None:
        self._limits = limits
        self._hosts = _hosts(limits)
        self.waiting = 0
        """Number of threads that wait: for a turn, or in `sleep`."""
        self._waited = _ThreadsWaits()

    @property
    def waited_s(self) -> float:
        """Seconds that this thread has waited for turns so far."""
        return self._waited.s

    @contextmanager
    def turn(self, name: str) -> Iterator[None]:
        """Wait for a turn at a host, hold it during the block, and record if the host refuses the request.

        Raises:
            FailureError: `too_many_requests`, not sent: the host gets no requests at the moment.
        """
        host, began = self._taken(name)
        refused = False
        try:
            yield
        except FailureError as error:
            asked_for_s = error.failure.retry_after_s
            refused = asked_for_s is not None or error.failure.code is ErrorCode.TOO_MANY_REQUESTS
            if refused:
                self._refused(host, began, asked_for_s)
            raise
        finally:
            with self._hosts.changed:
                host.in_use -= 1
                host.refused_rounds = host.refused_rounds if refused else 0
                self._hosts.changed.notify_all()

    def is_busy(self, name: str) -> bool:
        """Tell whether a request would wait for long. A few may wait, to start at once after the others."""
        with self._hosts.changed:
            host, now = self._hosts.by_name.get(name), monotonic()
            if host is None or self._left_alone_s(host, now):
                return False
            return host.held_until > now or host.in_use + host.waiting >= 2 * self._limits.connections

    def why_slow(self) -> str | None:
        """Say for which host's pause images wait, and for how long; None: for none."""
        with self._hosts.changed:
            now = monotonic()
            pauses = [
                (host.held_until - now, name)
                for name, host in self._hosts.by_name.items()
                if host.waiting and host.held_until > now
            ]
        longest_s, name = max(pauses, default=(0.0, ""))
        return f"waiting {longest_s:.0f} s: {name} asked for a pause" if pauses else None

    def sleep(self, seconds: float) -> None:
        """Wait before a retry; raises RunError if the run is asked to stop."""
        with self._hosts.changed:
            self.waiting += 1
        PROGRESS.stop.wait(seconds)
        with self._hosts.changed:
            self.waiting -= 1
        stop_if_asked()

    def _taken(self, name: str) -> tuple[_Host, float]:
        """Wait for a turn and take it; give the host, and the time when the turn began."""
        came = monotonic()
        with self._hosts.changed:
            host = self._hosts.named(name)
            host.waiting += 1
            self.waiting += 1
            try:
                while wait_s := self._wait_s(name, host, monotonic()):
                    self._hosts.changed.wait(min(wait_s, _LOOK_S))
                    stop_if_asked()
            finally:
                host.waiting -= 1
                self.waiting -= 1
            host.in_use += 1
            now = monotonic()
            self._waited.s += now - came
            host.next_at = now + 1 / self._limits.rate_per_s if self._limits.rate_per_s else now
            return host, now

    def _wait_s(self, name: str, host: _Host, now: float) -> float:
        if left_s := self._left_alone_s(host, now):
            raise FailureError(_left_alone(name, left_s))
        no_place_s = _LOOK_S if host.in_use >= self._limits.connections else 0.0
        return max(host.held_until - now, host.next_at - now, no_place_s, 0.0)

    def _left_alone_s(self, host: _Host, now: float) -> float:
        """Give the seconds for which a host gets no request at all; 0 if requests may wait for it."""
        left_s = max(host.held_until - now, 0.0)
        gives_up = host.refused_rounds >= MOST_REFUSED_ROUNDS or left_s > self._limits.longest_wait_s
        return left_s if gives_up else 0.0

    def _refused(self, host: _Host, began: float, asked_for_s: float | None) -> None:
        with self._hosts.changed:
            now = monotonic()
            if began >= host.refused_at:
                host.refused_rounds += 1
                host.refused_at = now
            own_s = min(4.0 ** (host.refused_rounds - 1), LONGEST_PAUSE_S)
            pause_s = own_s if asked_for_s is None else asked_for_s
            if host.refused_rounds >= MOST_REFUSED_ROUNDS:
                pause_s = max(pause_s, LEFT_ALONE_S)
            host.held_until = max(host.held_until, now + pause_s)


def _left_alone(name: str, left_s: float) -> Failure:
    message = f"{name} asks for fewer requests, so it gets none for {left_s:.0f} s: replay later, or slower"
    return Failure(ErrorCode.TOO_MANY_REQUESTS, message, stage=NOT_SENT, retry_after_s=left_s, was_sent=False)
