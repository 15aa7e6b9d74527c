"""Ask a face source about an image, with retries; the retry policy is the same for every source."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from time import monotonic

from tenacity import RetryCallState, Retrying, wait_random_exponential

from facebeam.schemas.errors import Fate
from facebeam.schemas.values import Answer, Failure, FailureError, FoundFaces, ImageRequest
from facebeam.transforms.sources.face_source import OpenSource

__all__ = ["RetryPolicy"]


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often to ask, and how long to wait between attempts.

    After attempt n + 1 the wait is `uniform(0, min(cap_s, base_s * 2**n))` seconds: exponential backoff with
    full jitter, as described in the AWS Architecture Blog.
    """

    max_attempts: int = 4
    base_s: float = 0.5
    cap_s: float = 30.0


def utc_now() -> datetime:
    """Read the system clock."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Clocks:
    """The clocks that `ask` reads; tests replace them."""

    monotonic: Callable[[], float] = monotonic
    """Gives seconds."""
    now: Callable[[], datetime] = utc_now


def ask(
    source: OpenSource,
    request: ImageRequest,
    name: str,
    policy: RetryPolicy = RetryPolicy(),
    clocks: Clocks = Clocks(),
) -> Answer | Failure:
    """Ask until there is an answer, or a failure whose fate is not `retry`, or `max_attempts` attempts.

    A request that was not sent is not retried, because the source has already waited before it gave up. It
    does not count as an attempt. If an earlier attempt was sent, the failure of that attempt is the result.

    Args:
        source: the open source to ask.
        request: the image, and what to ask about it.
        name: name of the source, for the column `source`.
        policy: number of attempts, and pauses between them.
        clocks: the clocks to read; tests replace them.
    """
    asking = _Asking(source, request, name, clocks)
    result = asking.attempt()
    if isinstance(result, Answer):  # most images never need tenacity, which takes 30 us even for one attempt
        return result
    try:
        result = _retrying(policy, source)(partial(next, asking.attempts_after(result)))
    except FailureError:  # the source stopped sending while this image waited for its retry
        return asking.given_up()
    return asking.given_up() if isinstance(result, Failure) else result


@dataclass(frozen=True, slots=True)
class _Asking:
    """The attempts for one image so far, with their results."""

    source: OpenSource
    request: ImageRequest
    name: str
    clocks: Clocks
    sent: list[datetime] = field(default_factory=list)
    """Start times of the attempts that were sent."""
    failures: list[Failure] = field(default_factory=list)

    def attempt(self) -> Answer | Failure:
        self.sent.append(self.clocks.now())
        began = self.clocks.monotonic()
        try:
            found = self.source.attempt(self.request)
        except FailureError as error:
            self._take_note(error.failure)
            return error.failure
        return self._answer(found, (self.clocks.monotonic() - began) * 1000)

    def attempts_after(self, failure: Failure) -> Iterator[Answer | Failure]:
        """Yield the failure of the first attempt, then further attempts."""
        yield failure
        while True:
            yield self.attempt()

    def given_up(self) -> Failure:
        failure = self.failures[-1]
        if not self.sent:
            return failure
        first, last = self.sent[0], self.sent[-1]
        return replace(failure, attempts=len(self.sent), first_attempt_at=first, last_attempt_at=last)

    def _take_note(self, failure: Failure) -> None:
        if not failure.was_sent:
            self.sent.pop()
        if failure.was_sent or not self.failures:
            self.failures.append(failure)

    def _answer(self, found: FoundFaces, took_ms: float) -> Answer:
        return Answer(
            faces=found.faces,
            image_width=found.image_width,
            image_height=found.image_height,
            face_model_version=found.face_model_version,
            trace_id=found.trace_id,
            latency_ms=took_ms if found.latency_ms is None else found.latency_ms,
            faces_cut=found.faces_cut,
            source=self.name,
            attempts=len(self.sent),
            answered_at=self.clocks.now(),
        )


def _retrying(policy: RetryPolicy, source: OpenSource) -> Retrying:
    backoff_s = wait_random_exponential(multiplier=policy.base_s, max=policy.cap_s)
    return Retrying(
        retry=lambda state: (
            state.attempt_number < policy.max_attempts and _may_pass(state) and source.may_retry()
        ),
        wait=lambda state: max(backoff_s(state), _asked_for_s(state)),
        sleep=source.sleep,
    )


def _may_pass(state: RetryCallState) -> bool:
    failure = _failure(state)
    return failure is not None and failure.was_sent and failure.code.fate(state.attempt_number) is Fate.RETRY


def _asked_for_s(state: RetryCallState) -> float:
    """Give the pause in seconds that the other side asked for; 0 if it did not ask."""
    failure = _failure(state)
    return (failure and failure.retry_after_s) or 0.0


def _failure(state: RetryCallState) -> Failure | None:
    if state.outcome is None or state.outcome.failed:
        return None
    result = state.outcome.result()
    return result if isinstance(result, Failure) else None
