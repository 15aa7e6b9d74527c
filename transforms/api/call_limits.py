"""Count calls and retries, and stop when the budget of calls or the time of the run is used up."""

from dataclasses import dataclass, replace
from datetime import datetime
from threading import Lock
from typing import Final, Self

from facebeam.schemas.errors import ErrorCode
from facebeam.schemas.values import NOT_SENT, Failure, FailureError
from facebeam.transforms.sources.end_time import check_end_time

RETRIES_ALWAYS: Final = 20
RETRY_SHARE: Final = 0.1
"""Retries may be at most this share of all calls; `RETRIES_ALWAYS` retries are always allowed."""


@dataclass(frozen=True)
class CallLimits:
    """The limits of a run.

    Args:
        calls: largest number of calls, retries included. None: unlimited.
        stop_at: time, with a time zone, from which no call is sent. None: no limit.
    """

    calls: int | None = None
    stop_at: datetime | None = None

    def for_shard(self, shard: int, shards: int) -> Self:
        """Give a shard's part of the calls, with the same `stop_at`; the parts add up to the whole."""
        if self.calls is None:
            return self
        return replace(self, calls=self.calls // shards + (shard < self.calls % shards))


class CallLedger:
    """Counts calls and retries before they are sent. Many threads share it."""

    def __init__(self, limits: CallLimits) -> None:
        self._limits = limits
        self._lock = Lock()
        self._sent = 0
        self._retries = 0

    def reserve(self, now: datetime) -> None:
        """Count one call; raise FailureError if a limit is reached. The caller opens the circuit with it."""
        check_end_time(self._limits.stop_at, now)
        with self._lock:
            if self._limits.calls is not None and self._sent >= self._limits.calls:
                reached = f"{self._sent} calls have been sent; run again to continue"
                raise FailureError(
                    Failure(ErrorCode.BUDGET_EXHAUSTED, reached, stage=NOT_SENT, was_sent=False)
                )
            self._sent += 1

    def count_earlier_call(self) -> None:
        """Count a call that this run sent before the engine retried the bundle, perhaps on another worker."""
        with self._lock:
            self._sent += 1

    def give_back(self) -> None:
        """Subtract one call: it did not reach the service, and will be sent again."""
        with self._lock:
            self._sent -= 1

    def may_retry(self) -> bool:
        """Count one retry and return True; return False if there were too many retries already."""
        with self._lock:
            allowed = self._retries < max(RETRIES_ALWAYS, RETRY_SHARE * self._sent)
            self._retries += allowed
            return allowed
