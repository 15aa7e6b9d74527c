"""What a run may spend: calls, and time."""

from dataclasses import dataclass, replace
from datetime import datetime
from threading import Lock
from typing import Final, Self

from facebeam.schemas.errors import ErrorCode
from facebeam.schemas.values import NOT_SENT, Failure, FailureError

RETRIES_ALWAYS: Final = 20
RETRY_SHARE: Final = 0.1
"""Retries may be this share of all calls; the first twenty are free."""


@dataclass(frozen=True)
class CallLimits:
    """The limits of a run.

    Args:
        calls: most calls, retries included; None for no limit.
        stop_at: when the last call may be sent; None for no limit. With a time zone.
    """

    calls: int | None = None
    stop_at: datetime | None = None

    def for_shard(self, shard: int, shards: int) -> Self:
        """Give a shard's part; the parts add up to the whole."""
        if self.calls is None:
            return self
        return replace(self, calls=self.calls // shards + (shard < self.calls % shards))


class CallLedger:
    """Counts calls before they are sent. Many threads share it."""

    def __init__(self, limits: CallLimits) -> None:
        self._limits = limits
        self._lock = Lock()
        self._sent = 0
        self._retries = 0

    def reserve(self, now: datetime) -> None:
        """Count one call; raise FailureError, which opens the circuit, where a limit forbids it."""
        if self._limits.stop_at and now >= self._limits.stop_at:
            raise FailureError(window_closed(self._limits.stop_at))
        with self._lock:
            if self._limits.calls is not None and self._sent >= self._limits.calls:
                raise FailureError(
                    _not_sent(ErrorCode.BUDGET_EXHAUSTED, f"{self._sent} calls have been sent")
                )
            self._sent += 1

    def recall(self) -> None:
        """Count a call that this run has sent already, on a worker that is no more."""
        with self._lock:
            self._sent += 1

    def give_back(self) -> None:
        """Take one call off the count: it was never sent, and is made again."""
        with self._lock:
            self._sent -= 1

    def may_retry(self) -> bool:
        """Count one retry, unless the run has had its share of them."""
        with self._lock:
            allowed = self._retries < max(RETRIES_ALWAYS, RETRY_SHARE * self._sent)
            self._retries += allowed
            return allowed


def window_closed(stop_at: datetime) -> Failure:
    """Say that the time is over, as clocks here show it."""
    return _not_sent(ErrorCode.WINDOW_CLOSED, f"{stop_at.astimezone():%H:%M (UTC%z)} has come")


def _not_sent(code: ErrorCode, reason: str) -> Failure:
    return Failure(code, f"{reason}; run again to go on", stage=NOT_SENT, was_sent=False)
