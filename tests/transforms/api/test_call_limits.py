"""The ledger counts calls and retries against the limits of a run before they are sent."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from facebeam.schemas.errors import ErrorCode
from facebeam.schemas.values import NOT_SENT, FailureError
from facebeam.transforms.api.call_limits import RETRIES_ALWAYS, CallLedger, CallLimits

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def refusal(ledger: CallLedger, now: datetime = NOON) -> FailureError | None:
    """Reserve a call; give the error if a limit forbids it."""
    try:
        ledger.reserve(now)
    except FailureError as error:
        return error
    return None


def test_the_budget_is_exact_over_threads() -> None:
    """When eight threads ask for 1,000 calls and 137 are allowed, exactly 137 are reserved."""
    ledger = CallLedger(CallLimits(calls=137))
    with ThreadPoolExecutor(8) as pool:
        refusals = list(pool.map(lambda _: refusal(ledger), range(1000)))
    assert refusals.count(None) == 137
    codes = {(error.failure.code, error.failure.stage) for error in refusals if error}
    assert codes == {(ErrorCode.BUDGET_EXHAUSTED, NOT_SENT)}


@pytest.mark.parametrize(("offset_s", "closed"), [(-1, False), (0, True), (60, True)])
def test_the_window_closes_at_its_time(offset_s: int, closed: bool) -> None:  # noqa: FBT001 - a table's column
    """A call is reserved before `stop_at`, and refused at that time or later."""
    error = refusal(CallLedger(CallLimits(stop_at=NOON)), NOON + timedelta(seconds=offset_s))
    assert (error is not None and error.failure.code is ErrorCode.WINDOW_CLOSED) is closed


def test_without_limits_everything_is_reserved() -> None:
    """A ledger without limits reserves every call."""
    ledger = CallLedger(CallLimits())
    assert not any(refusal(ledger) for _ in range(1000))


def test_retries_are_a_share_of_the_calls() -> None:
    """Twenty retries are always allowed; after 1,000 calls the ledger allows a hundred, and no more."""
    few, many = CallLedger(CallLimits()), CallLedger(CallLimits())
    for _ in range(1000):
        many.reserve(NOON)
    assert sum(few.may_retry() for _ in range(50)) == RETRIES_ALWAYS
    assert sum(many.may_retry() for _ in range(500)) == 100
