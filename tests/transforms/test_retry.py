"""The retry policy: which failures are retried, after which wait, and what the result reports."""

import pickle
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis.strategies import floats, integers

from facebeam.schemas.errors import ErrorCode, Fate
from facebeam.schemas.values import Answer, Failure, FailureError, ImageRequest
from facebeam.transforms.sources.retry import RetryPolicy, answer_with_retries

REQUEST = ImageRequest("https://example.com/a.jpg")
ANSWER = Answer((), 640, 480, source="fake", face_model_version="1")
POLICY = RetryPolicy()
START = datetime(2030, 1, 1, tzinfo=UTC)


@dataclass
class World:
    """A scripted source and a clock, which each attempt moves by one second and each wait by ten."""

    outcomes: Iterable[Answer | Failure]
    slept_s: list[float] = field(default_factory=list)
    asked: list[ImageRequest] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.left = iter(self.outcomes)

    def clock(self) -> float:
        """Give the seconds since the start."""
        return len(self.asked) + 10 * len(self.slept_s)

    def now(self) -> datetime:
        """Give the time of day."""
        return START + timedelta(seconds=self.clock())

    def attempt(self, request: ImageRequest) -> Answer:
        """Return or raise what comes next in the script."""
        self.asked.append(request)
        outcome = next(self.left)
        if isinstance(outcome, Failure):
            raise FailureError(outcome)
        return outcome

    def ask(self, policy: RetryPolicy = POLICY) -> Answer:
        """Ask the scripted source, with retries."""
        return answer_with_retries(
            self.attempt, REQUEST, policy, sleep=self.slept_s.append, clock=self.clock, now=self.now
        )

    def give_up(self, policy: RetryPolicy = POLICY) -> Failure:
        """Ask the source for an answer that it does not give; return the failure."""
        with pytest.raises(FailureError) as caught:
            self.ask(policy)
        return caught.value.failure


def failed(code: ErrorCode = ErrorCode.TIMEOUT, retry_after_s: float | None = None) -> Failure:
    """Make a failure of one attempt."""
    return Failure(code, "why", stage="fetch", retry_after_s=retry_after_s)


def test_an_answer_is_given_at_once() -> None:
    """An answer at the first attempt comes without a wait, and reports its latency and end time."""
    world = World([ANSWER])
    answer = world.ask()
    assert (answer.attempts, answer.latency_ms, answer.answered_at) == (
        1,
        1000.0,
        START + timedelta(seconds=1),
    )
    assert (answer.faces, answer.source) == (ANSWER.faces, ANSWER.source)
    assert (world.asked, world.slept_s) == ([REQUEST], [])


def test_asks_again_after_a_failure_that_may_pass() -> None:
    """Transient failures are retried, and the third attempt's answer reports the latency of that attempt."""
    world = World([failed(), failed(ErrorCode.SERVER_ERROR), ANSWER])
    answer = world.ask()
    assert (answer.attempts, answer.latency_ms, len(world.slept_s)) == (3, 1000.0, 2)
    assert answer.answered_at == START + timedelta(seconds=23)


@pytest.mark.parametrize("code", [code for code in ErrorCode if code.fate() is not Fate.RETRY])
def test_never_asks_again_where_the_fate_is_another(code: ErrorCode) -> None:
    """A failure with a fate other than RETRY ends after one attempt, without a wait."""
    world = World([failed(code), ANSWER])
    assert (world.give_up().code, len(world.asked), world.slept_s) == (code, 1, [])


def test_gives_up_with_the_last_failure() -> None:
    """The fourth failure is raised, with the start times of the first and the last attempt."""
    codes = [ErrorCode.TIMEOUT, ErrorCode.SERVER_ERROR, ErrorCode.TIMEOUT, ErrorCode.CONNECTION_FAILED]
    world = World([*map(failed, codes), ANSWER])
    failure = world.give_up()
    assert (failure.code, failure.attempts, len(world.asked)) == (codes[-1], 4, 4)
    assert failure.first_attempt_at == START
    assert failure.last_attempt_at == START + timedelta(seconds=33)


def test_a_failure_that_becomes_final_ends_the_retries() -> None:
    """No attempt follows a rejection, however many attempts are left."""
    world = World([failed(), failed(ErrorCode.NOT_FOUND), ANSWER])
    failure = world.give_up()
    assert (failure.code, failure.attempts, len(world.slept_s)) == (ErrorCode.NOT_FOUND, 2, 1)


@given(integers(1, 8), floats(0, 10), floats(0, 10))
def test_waits_grow_and_stay_under_the_cap(attempts: int, base_s: float, cap_s: float) -> None:
    """Wait n is at most `min(cap, base * 2**n)`, and there is one wait fewer than attempts."""
    world = World([failed()] * attempts)
    world.give_up(RetryPolicy(attempts, base_s, cap_s))
    assert len(world.slept_s) == attempts - 1
    assert all(0 <= wait_s <= min(cap_s, base_s * 2**n) for n, wait_s in enumerate(world.slept_s))


def test_waits_differ() -> None:
    """Waits are random (full jitter), so a thousand clients do not come back at the same moment."""
    waits = {world.slept_s[0] for world in [World([failed(), ANSWER]) for _ in range(20)] if world.ask()}
    assert len(waits) > 10


def test_waits_as_long_as_the_other_side_asks() -> None:
    """`retry_after_s` is the shortest wait for its own attempt only, and may be longer than the cap."""
    world = World([failed(retry_after_s=120), failed(retry_after_s=0), ANSWER])
    world.ask()
    assert world.slept_s[0] == 120
    assert world.slept_s[1] <= 1


def test_what_is_no_failure_passes_through() -> None:
    """A programming error is raised at once, without a retry."""
    calls: list[ImageRequest] = []

    def broken(request: ImageRequest) -> Answer:
        calls.append(request)
        raise KeyError(request)

    with pytest.raises(KeyError):
        answer_with_retries(broken, REQUEST, sleep=World([]).slept_s.append)
    assert calls == [REQUEST]


def test_a_given_up_failure_travels() -> None:
    """A FailureError keeps its failure after a pickle, as it must to cross processes."""
    with pytest.raises(FailureError) as caught:
        World([failed(ErrorCode.NOT_FOUND)]).ask()
    assert pickle.loads(pickle.dumps(caught.value)).failure == caught.value.failure  # noqa: S301 - our own
