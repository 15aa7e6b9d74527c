"""Be polite to image hosts: few connections at a time, a rate, and a pause where a host asks for one.

What a host has asked for holds that host alone, in all that this process downloads.
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
"""A host that refuses so often in a row, after ever longer pauses, is left alone."""
LEFT_ALONE_S: Final = 300.0
LONGEST_PAUSE_S: Final = 60.0
"""Where a host refuses without saying for how long."""
_MOST_IDLE_HOSTS: Final = 10_000
_LOOK_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class HostLimits:
    """What one image host is asked for by one process.

    Args:
        connections: downloads at a time; browsers take six.
        rate_per_s: requests a second at most, redirects and retries included; None for no limit.
        longest_wait_s: a host that asks for a longer pause is not waited for: its images fail at once.
    """

    connections: int = 6
    rate_per_s: float | None = None
    longest_wait_s: float = 300.0


@dataclass(slots=True)
class _Host:
    in_use: int = 0
    waiting: int = 0
    next_at: float = 0.0
    """When the rate allows the next request."""
    held_until: float = 0.0
    refused_at: float = 0.0
    refused_rounds: int = 0
    """Refusals in a row; those of requests that were under way together are one."""

    def is_idle(self, now: float) -> bool:
        return not (self.in_use or self.waiting) and max(self.next_at, self.held_until) <= now


@dataclass(slots=True)
class _Hosts:
    """What the threads of this process know of its hosts."""

    changed: Condition = field(default_factory=Condition)
    by_name: dict[str, _Host] = field(default_factory=dict)

    def named(self, name: str) -> _Host:
        """Give a host, and forget idle ones where there are many; the condition's lock is held."""
        if name not in self.by_name and len(self.by_name) >= _MOST_IDLE_HOSTS:
            now = monotonic()
            self.by_name = {name: host for name, host in self.by_name.items() if not host.is_idle(now)}
        return self.by_name.setdefault(name, _Host())


@cache
def _hosts(_limits: HostLimits) -> _Hosts:
    """Give the hosts of this process: its shards share them."""
    return _Hosts()


class _ThreadsWaits(local):
    s = 0.0


class HostTurns:
    """Turns at the hosts, for the threads of one open fetcher."""

    def __init__(self, limits: HostLimits) -> None:
        self._limits = limits
        self._hosts = _hosts(limits)
        self.waiting = 0
        """Threads that wait: for a turn, or in `sleep`."""
        self._waited = _ThreadsWaits()

    @property
    def waited_s(self) -> float:
        """Give the seconds for which this thread has waited for turns so far."""
        return self._waited.s

    @contextmanager
    def turn(self, name: str) -> Iterator[None]:
        """Wait for a turn at a host, keep it for the block, and take note of a refusal in it.

        Raises:
            FailureError: `too_many_requests`, not sent: the host is left alone for now.
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
        """Tell whether a request would have to wait for long: a few may wait, to take over at once."""
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
        """Wait before a retry; raises RunError when the run is asked to stop."""
        with self._hosts.changed:
            self.waiting += 1
        PROGRESS.stop.wait(seconds)
        with self._hosts.changed:
            self.waiting -= 1
        stop_if_asked()

    def _taken(self, name: str) -> tuple[_Host, float]:
        """Wait for a turn and take it; give the host and the time."""
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
        """Give the seconds for which a host is not asked at all, 0 where it may be waited for."""
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
    message = f"{name} asks for fewer requests and is left alone for {left_s:.0f} s: replay later, or slower"
    return Failure(ErrorCode.TOO_MANY_REQUESTS, message, stage=NOT_SENT, retry_after_s=left_s, was_sent=False)
