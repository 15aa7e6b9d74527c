"""Ask again, the same way for every face source: the one retry policy."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from time import monotonic
from time import sleep as real_sleep

from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from schemas.errors import Fate
from schemas.values import Answer, FailureError, ImageRequest
from transforms.face_source import Attempt


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


def answer_with_retries(  # noqa: PLR0913 - the last three are the world, for tests to replace
    attempt: Attempt,
    request: ImageRequest,
    policy: RetryPolicy = RetryPolicy(),
    *,
    sleep: Callable[[float], None] = real_sleep,
    clock: Callable[[], float] = monotonic,
    now: Callable[[], datetime] = utc_now,
) -> Answer:
    """Ask until there is an answer, or a failure whose fate is not `retry`, or `max_attempts` are used.

    The answer comes with `attempts`, `latency_ms` of its last attempt, and `answered_at`.

    Raises:
        FailureError: the last failure, with `attempts`, `first_attempt_at` and `last_attempt_at` (starts).
    """
    started: list[datetime] = []

    def ask() -> Answer:
        started.append(now())
        begun = clock()
        answer = attempt(request)
        return replace(answer, latency_ms=(clock() - begun) * 1000)

    try:
        answer = _retrying(policy, sleep)(ask)
    except FailureError as error:
        failure = replace(error.failure, attempts=len(started))
        raise FailureError(
            replace(failure, first_attempt_at=started[0], last_attempt_at=started[-1])
        ) from error
    return replace(answer, attempts=len(started), answered_at=now())


def _retrying(policy: RetryPolicy, sleep: Callable[[float], None]) -> Retrying:
    backoff_s = wait_random_exponential(multiplier=policy.base_s, max=policy.cap_s)
    return Retrying(
        retry=retry_if_exception(_is_worth_asking_again),
        stop=stop_after_attempt(policy.max_attempts),
        wait=lambda state: max(backoff_s(state), _asked_for_s(state)),
        sleep=sleep,
        reraise=True,
    )


def _is_worth_asking_again(error: BaseException) -> bool:
    return isinstance(error, FailureError) and error.failure.fate is Fate.RETRY


def _asked_for_s(state: RetryCallState) -> float:
    """Give the pause that the other side asked for, if it did."""
    error = state.outcome and state.outcome.exception()
    return (isinstance(error, FailureError) and error.failure.retry_after_s) or 0.0
