"""Ask again, the same way for every face source: the one retry policy."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from time import monotonic
from time import sleep as real_sleep

from tenacity import RetryCallState, Retrying, stop_after_attempt, wait_random_exponential

from facebeam.schemas.errors import Fate
from facebeam.schemas.values import Answer, Failure, FailureError, ImageRequest
from facebeam.transforms.sources.face_source import Attempt, always


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often to ask and how long to wait: `uniform(0, min(cap_s, base_s * 2**n))` after attempt n + 1.

    Exponential backoff with full jitter, as the AWS Architecture Blog of that name describes it.
    """

    max_attempts: int = 4
    base_s: float = 0.5
    cap_s: float = 30.0


def utc_now() -> datetime:
    """Read the wall clock."""
    return datetime.now(UTC)


def answer_with_retries(  # noqa: PLR0913 - the last four are the world, for sources and tests to replace
    attempt: Attempt,
    request: ImageRequest,
    policy: RetryPolicy = RetryPolicy(),
    *,
    may_retry: Callable[[], bool] = always,
    sleep: Callable[[float], None] = real_sleep,
    clock: Callable[[], float] = monotonic,
    now: Callable[[], datetime] = utc_now,
) -> Answer:
    """Ask until there is an answer, or a failure whose fate is not `retry`, or `max_attempts` are used.

    What was not sent is not tried again: whoever refused to send it has waited already.

    The answer comes with `attempts`, `latency_ms` of its last attempt (the source's own figure where it gives
    one), and `answered_at`. Attempts that were not sent are not counted.

    Raises:
        FailureError: the last failure, with `attempts`, `first_attempt_at` and `last_attempt_at` (starts).
    """
    sent: list[datetime] = []
    failures: list[Failure] = []

    def ask() -> Answer:
        sent.append(now())
        begun = clock()
        try:
            answer = attempt(request)
        except FailureError as error:
            if not error.failure.was_sent:
                sent.pop()
            failures.append(replace(error.failure, attempts=len(sent)))
            raise
        return replace(answer, latency_ms=answer.latency_ms or (clock() - begun) * 1000)

    try:
        answer = _retrying(policy, may_retry, sleep)(ask)
    except FailureError as error:
        raise FailureError(_given_up(failures or [error.failure], sent)) from error
    return replace(answer, attempts=len(sent), answered_at=now())


def _given_up(failures: list[Failure], sent: list[datetime]) -> Failure:
    """Give the last failure of an attempt that was sent, or of one that was not where none was."""
    last = next((failure for failure in reversed(failures) if failure.was_sent), failures[-1])
    if not sent:
        return last
    return replace(last, attempts=len(sent), first_attempt_at=sent[0], last_attempt_at=sent[-1])


def _retrying(policy: RetryPolicy, may_retry: Callable[[], bool], sleep: Callable[[float], None]) -> Retrying:
    backoff_s = wait_random_exponential(multiplier=policy.base_s, max=policy.cap_s)
    return Retrying(
        retry=lambda state: (
            state.attempt_number < policy.max_attempts and _is_worth_asking_again(state) and may_retry()
        ),
        stop=stop_after_attempt(policy.max_attempts),
        wait=lambda state: max(backoff_s(state), _asked_for_s(state)),
        sleep=sleep,
        reraise=True,
    )


def _is_worth_asking_again(state: RetryCallState) -> bool:
    error = state.outcome and state.outcome.exception()
    if not isinstance(error, FailureError):
        return False
    failure = error.failure
    return failure.was_sent and failure.code.fate(state.attempt_number) is Fate.RETRY


def _asked_for_s(state: RetryCallState) -> float:
    """Give the pause that the other side asked for, if it did."""
    error = state.outcome and state.outcome.exception()
    return (isinstance(error, FailureError) and error.failure.retry_after_s) or 0.0
