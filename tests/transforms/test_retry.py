"""The retry policy: which failures are retried, after which wait, and what the result reports."""

from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis.strategies import floats, integers

from facebeam.schemas.errors import ErrorCode, Fate
from facebeam.schemas.values import Answer, Failure, FailureError, FoundFaces, ImageRequest
from facebeam.transforms.sources.face_source import OpenSource
from facebeam.transforms.sources.retry import Clocks, RetryPolicy, ask
from tests.helpers.values import face

REQUEST = ImageRequest("https://example.com/a.jpg")
FOUND = FoundFaces(faces=(), image_width=640, image_height=480, face_model_version="1", trace_id="trace")
POLICY = RetryPolicy()
START = datetime(2030, 1, 1, tzinfo=UTC)


@dataclass
class World(OpenSource):
    """A scripted source and its clocks, which each attempt moves by one second and each wait by ten."""

    outcomes: Iterable[FoundFaces | Failure]
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

    def attempt(self, request: ImageRequest) -> FoundFaces:
        """Return or raise what comes next in the script."""
        self.asked.append(request)
        outcome = next(self.left)
        if isinstance(outcome, Failure):
            raise FailureError(outcome)
        return outcome

    def sleep(self, seconds: float) -> None:
        """Take note of the wait."""
        self.slept_s.append(seconds)

    def ask(self, policy: RetryPolicy = POLICY) -> Answer | Failure:
        """Ask the scripted source, with retries."""
        return ask(self, REQUEST, "scripted", policy, Clocks(monotonic=self.clock, now=self.now))

    def answer(self) -> Answer:
        """Ask the source for an answer that it gives at last."""
        result = self.ask()
        assert isinstance(result, Answer)
        return result

    def give_up(self, policy: RetryPolicy = POLICY) -> Failure:
        """Ask the source for an answer that it does not give; return the failure."""
        result = self.ask(policy)
        assert isinstance(result, Failure)
        return result


def failed(code: ErrorCode = ErrorCode.TIMEOUT, retry_after_s: float | None = None) -> Failure:
    """Make a failure of one attempt."""
    return Failure(code, "why", stage="fetch", retry_after_s=retry_after_s)


def test_an_answer_is_given_at_once() -> None:
    """An answer at the first attempt comes without a wait, with what was found, by whom, and when."""
    world = World([FOUND])
    assert world.ask() == Answer(
        faces=FOUND.faces,
        image_width=640,
        image_height=480,
        face_model_version="1",
        trace_id="trace",
        latency_ms=1000.0,
        source="scripted",
        attempts=1,
        answered_at=START + timedelta(seconds=1),
    )
    assert (world.asked, world.slept_s) == ([REQUEST], [])


def test_asks_again_after_a_failure_that_may_pass() -> None:
    """Transient failures are retried, and the third attempt's answer reports the latency of that attempt."""
    world = World([failed(), failed(ErrorCode.SERVER_ERROR), FOUND])
    answer = world.answer()
    assert (answer.attempts, answer.latency_ms, len(world.slept_s)) == (3, 1000.0, 2)
    assert answer.answered_at == START + timedelta(seconds=23)


@pytest.mark.parametrize("code", [code for code in ErrorCode if code.fate() is not Fate.RETRY])
def test_never_asks_again_where_the_fate_is_another(code: ErrorCode) -> None:
    """A failure with a fate other than RETRY ends after one attempt, without a wait."""
    world = World([failed(code), FOUND])
    assert (world.give_up().code, len(world.asked), world.slept_s) == (code, 1, [])


def test_gives_up_with_the_last_failure() -> None:
    """The fourth failure is raised, with the start times of the first and the last attempt."""
    codes = [ErrorCode.TIMEOUT, ErrorCode.SERVER_ERROR, ErrorCode.TIMEOUT, ErrorCode.CONNECTION_FAILED]
    world = World([*map(failed, codes), FOUND])
    failure = world.give_up()
    assert (failure.code, failure.attempts, len(world.asked)) == (codes[-1], 4, 4)
    assert failure.first_attempt_at == START
    assert failure.last_attempt_at == START + timedelta(seconds=33)


def test_a_failure_that_becomes_final_ends_the_retries() -> None:
    """No attempt follows a rejection, however many attempts are left."""
    world = World([failed(), failed(ErrorCode.NOT_FOUND), FOUND])
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
    waits = {world.slept_s[0] for world in [World([failed(), FOUND]) for _ in range(20)] if world.ask()}
    assert len(waits) > 10


def test_waits_as_long_as_the_other_side_asks() -> None:
    """`retry_after_s` is the shortest wait for its own attempt only, and may be longer than the cap."""
    world = World([failed(retry_after_s=120), failed(retry_after_s=0), FOUND])
    world.ask()
    assert world.slept_s[0] == 120
    assert world.slept_s[1] <= 1


def test_all_that_was_found_is_in_the_answer() -> None:
    """The answer has every field of what was found; a new field must be set here to another value."""
    found = FoundFaces(
        faces=(face(),),
        image_width=1,
        image_height=2,
        face_model_version="2",
        trace_id="trace",
        latency_ms=3.0,
        faces_cut=True,
    )
    answer = World([found]).answer()
    for one in fields(FoundFaces):
        assert getattr(found, one.name) != one.default, one.name
        assert getattr(answer, one.name) == getattr(found, one.name), one.name


def test_a_source_may_measure_its_latency_itself() -> None:
    """A latency of 0 ms is one that the source has measured, too."""
    assert World([replace(FOUND, latency_ms=0.0)]).answer().latency_ms == 0.0


def test_what_was_not_sent_is_no_attempt() -> None:
    """The failure of the last attempt that was sent is given up with, and only such attempts count."""
    unsent = replace(failed(), was_sent=False, stage="not_sent")
    assert (World([unsent, FOUND]).give_up(), unsent.attempts) == (unsent, 0)
    failure = World([failed(ErrorCode.SERVER_ERROR), unsent, FOUND]).give_up()
    assert (failure.code, failure.attempts) == (ErrorCode.SERVER_ERROR, 1)
    assert failure.last_attempt_at == START


def test_waiting_that_has_become_pointless_ends_the_retries() -> None:
    """A source that raises while a request waits to be retried ends it with the failure of its attempt."""

    class Over(World):
        def sleep(self, seconds: float) -> None:  # noqa: ARG002 - it does not wait
            raise FailureError(failed(ErrorCode.USED_UP))

    failure = Over([failed(ErrorCode.SERVER_ERROR), FOUND]).give_up()
    assert (failure.code, failure.attempts) == (ErrorCode.SERVER_ERROR, 1)


def test_a_source_that_cannot_afford_a_retry_asks_once() -> None:
    """Without a retry left the first failure ends it; a final failure does not ask for a retry."""

    class Poor(World):
        def may_retry(self) -> bool:
            asked.append(len(self.asked))
            return False

    asked: list[int] = []
    assert Poor([failed(), FOUND]).give_up().attempts == 1
    assert Poor([failed(ErrorCode.NOT_FOUND)]).give_up().attempts == 1
    assert asked == [1]


def test_what_is_no_failure_passes_through() -> None:
    """A programming error is raised at once, without a retry."""

    class Broken(World):
        def attempt(self, request: ImageRequest) -> FoundFaces:
            super().attempt(request)
            raise KeyError(request)

    world = Broken([FOUND, FOUND])
    with pytest.raises(KeyError):
        world.ask()
    assert world.asked == [REQUEST]
