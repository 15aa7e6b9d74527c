"""End a run at its time: from then on its source begins no image."""

from datetime import datetime

from facebeam.schemas.errors import ErrorCode
from facebeam.schemas.values import NOT_SENT, Failure, FailureError


def check_end_time(stop_at: datetime | None, now: datetime) -> None:
    """Raise FailureError from `stop_at` on; None: there is no end time. Both times have a time zone."""
    if stop_at and now >= stop_at:
        raise FailureError(window_closed(stop_at))


def window_closed(stop_at: datetime) -> Failure:
    """Give the failure of an image after `stop_at`; its message shows this machine's local time."""
    reached = f"the end time {stop_at.astimezone():%H:%M (UTC%z)} was reached; run again to continue"
    return Failure(ErrorCode.WINDOW_CLOSED, reached, stage=NOT_SENT, was_sent=False)


def shown_end_time(stop_at: datetime | None) -> str | None:
    """Give the end time as engines show it beside a step: ISO 8601, to the second."""
    return None if stop_at is None else stop_at.isoformat(timespec="seconds")
