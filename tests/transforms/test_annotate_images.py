"""AnnotateImages in a pipeline: it asks for each image once, and each row comes out once."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Barrier

import apache_beam as beam
import numpy as np
import pytest
from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner
from apache_beam.testing.util import assert_that

from facebeam.schemas.errors import ErrorCode, RunError
from facebeam.schemas.run_record import CallCounts, sum_of_calls
from facebeam.schemas.values import Annotation, DeadLetter, Face, FoundFaces, ImageRequest, ManifestRow
from facebeam.transforms.journal.journal import Journal
from facebeam.transforms.sources.face_source import FaceSource, OpenSource
from facebeam.transforms.sources.fake_source import fake_faces
from facebeam.transforms.sources.retry import RetryPolicy
from facebeam.transforms.steps.annotate_images import AnnotateImages
from facebeam.transforms.steps.progress import PROGRESS
from facebeam.transforms.steps.questions import Question
from tests.helpers.values import row

AT_ONCE = RetryPolicy(max_attempts=4, base_s=0)
"""The default number of attempts, without pauses between them."""
LONG_S = 180
"""Seconds until a request that waits in vain gives up; in a correct window none waits so long."""


@dataclass(frozen=True)
class LoggingSource(FaceSource):
    """The fake source, which also logs every request; each time it is opened, it starts a new log file."""

    folder: Path
    poison: frozenset[str] = frozenset()
    """URLs of images on which the source fails as nobody foresaw."""

    name = "logging"
    identity = "logging 1"

    @contextmanager
    def open(self) -> Iterator[OpenSource]:
        """Give a source that logs each request."""
        log = self.folder / f"{len(list(self.folder.iterdir()))}.log"
        log.touch()
        yield OpenLogging(log, self.poison)
        log.with_suffix(".closed").touch()


@dataclass(frozen=True)
class OpenLogging(OpenSource):
    """An open LoggingSource."""

    log: Path
    poison: frozenset[str]

    def attempt(self, request: ImageRequest) -> FoundFaces:
        """Log the request."""
        with self.log.open("a") as file:
            file.write("|".join(map(str, request)) + "\n")
        if request.image_url in self.poison:
            raise ValueError("s3cret")
        return fake_faces(request)


@pytest.fixture
def source(tmp_path: Path) -> LoggingSource:
    """Give a source that has not received a request yet."""
    (tmp_path / "logs").mkdir()
    return LoggingSource(tmp_path / "logs")


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    """Give an empty journal."""
    return Journal(str(tmp_path / "journal"))


def asked(source: LoggingSource) -> Counter[str]:
    """Count the attempts for each request: `url|mode|need_rotate_detection`."""
    return Counter("".join(log.read_text() for log in source.folder.glob("*.log")).split())


def url_of(number: int | str) -> str:
    """Give the URL of row `number`, or, for an error code, a URL that fails with this code."""
    return row(number).image_url if isinstance(number, int) else f"https://example.com/fail-{number}/a.jpg"


def rows_of(*numbers: int | str) -> list[ManifestRow]:
    """Make rows with these URLs; each row has its own id and its position as its column."""
    return [ManifestRow(url_of(number), f"row-{i}", (i,)) for i, number in enumerate(numbers)]


Check = Callable[[Sequence[Annotation], Sequence[DeadLetter]], None]


def annotate(rows: Sequence[ManifestRow], step: AnnotateImages, check: Check) -> None:
    """Run rows through the step, and check annotations and dead letters together."""
    with beam.Pipeline(FnApiRunner()) as root:
        ends = root | beam.Create(rows, reshuffle=False) | step
        both = (ends.annotations, ends.dead_letters) | beam.Flatten()
        assert_that(both, lambda found: check(*_parted(found)))


def _parted(found: Sequence[object]) -> tuple[list[Annotation], list[DeadLetter]]:
    return (
        [each for each in found if isinstance(each, Annotation)],
        [each for each in found if isinstance(each, DeadLetter)],
    )


@pytest.mark.parametrize("shards", [1, 5])
def test_equal_urls_are_asked_once_and_answered_each(
    source: LoggingSource, journal: Journal, shards: int
) -> None:
    """Rows with equal URLs share one request and its answer, and every row keeps its id and its columns."""
    rows = rows_of(*(number % 40 for number in range(700)))

    def check(annotations: Sequence[Annotation], letters: Sequence[DeadLetter]) -> None:
        assert sorted(each.row for each in annotations) == sorted(rows)
        assert letters == []
        answers = {each.row.image_url: each.answer for each in annotations}
        assert all(each.answer == answers[each.row.image_url] for each in annotations)
        for url, answer in answers.items():
            assert answer.faces == fake_faces(ImageRequest(url)).faces
            assert (answer.source, answer.attempts) == ("logging", 1)
            assert answer.answered_at is not None

    annotate(rows, AnnotateImages(source, journal, shards=shards), check)
    assert asked(source) == {f"{url_of(number)}|0|0": 1 for number in range(40)}


def test_a_failure_is_shared_too(source: LoggingSource, journal: Journal) -> None:
    """A bad image is requested once, and all its rows get the same failure. Other rows get answers."""
    rows = rows_of("not_found", 1, "not_found", 2, "not_found")

    def check(annotations: Sequence[Annotation], letters: Sequence[DeadLetter]) -> None:
        assert sorted(each.row for each in annotations) == [rows[1], rows[3]]
        assert sorted(each.row for each in letters) == [rows[0], rows[2], rows[4]]
        assert len({each.failure for each in letters}) == 1
        assert (letters[0].failure.code, letters[0].failure.attempts) == (ErrorCode.NOT_FOUND, 1)

    annotate(rows, AnnotateImages(source, journal), check)
    assert asked(source)[f"{url_of('not_found')}|0|0"] == 1


def test_the_policy_says_how_often_to_ask(source: LoggingSource, journal: Journal) -> None:
    """A transient failure gets four attempts and a permanent one a single attempt; dead letters say so."""
    rows = rows_of("timeout", "server_error", "image_empty")

    def check(annotations: Sequence[Annotation], letters: Sequence[DeadLetter]) -> None:
        assert annotations == []
        tries = {each.failure.code: each.failure.attempts for each in letters}
        assert tries == {"timeout": 4, "server_error": 4, "image_empty": 1}
        assert all(each.failure.first_attempt_at is not None for each in letters)

    annotate(rows, AnnotateImages(source, journal, policy=AT_ONCE), check)
    assert asked(source) == {
        f"{url_of('timeout')}|0|0": 4,
        f"{url_of('server_error')}|0|0": 4,
        f"{url_of('image_empty')}|0|0": 1,
    }


def test_the_parameters_reach_the_source(source: LoggingSource, journal: Journal) -> None:
    """Each request carries the mode and the rotation detection, and mode 1 gives one face at most."""

    def check(annotations: Sequence[Annotation], _letters: Sequence[DeadLetter]) -> None:
        assert max(len(each.answer.faces) for each in annotations) == 1

    question = Question(mode=1, need_rotate_detection=1)
    annotate(rows_of(*range(20)), AnnotateImages(source, journal, question=question), check)
    assert asked(source) == {f"{url_of(number)}|1|1": 1 for number in range(20)}


def test_a_source_that_was_opened_is_closed(source: LoggingSource, journal: Journal) -> None:
    """The step closes each source that it opens, so that connections and models are freed."""
    annotate(rows_of(1), AnnotateImages(source, journal), lambda *_: None)
    assert list(source.folder.glob("*.log"))
    assert len(list(source.folder.glob("*.log"))) == len(list(source.folder.glob("*.closed")))


class MeetingSource(FaceSource):
    """A source whose requests wait for each other."""

    name = "meeting"
    identity = "meeting 1"
    largest_window = 6

    @contextmanager
    def open(self) -> Iterator[OpenSource]:
        """Give a source that waits until `largest_window` attempts are running."""
        yield OpenMeeting(Barrier(self.largest_window, timeout=LONG_S))


@dataclass(frozen=True)
class OpenMeeting(OpenSource):
    """An open MeetingSource."""

    together: Barrier

    def attempt(self, request: ImageRequest) -> FoundFaces:
        """Wait for the others."""
        self.together.wait()
        return fake_faces(request)


def test_the_whole_window_is_in_flight(journal: Journal) -> None:
    """The step runs as many requests at the same time as the source's window allows."""

    def check(annotations: Sequence[Annotation], _letters: Sequence[DeadLetter]) -> None:
        assert len(annotations) == 12

    annotate(rows_of(*range(12)), AnnotateImages(MeetingSource(), journal), check)


@dataclass(frozen=True)
class InterruptedSource(LoggingSource):
    """A source that asks the run to stop during the first request."""

    largest_window = 1

    @contextmanager
    def open(self) -> Iterator[OpenSource]:
        """Give a source that asks the run to stop."""
        with super().open() as source:
            yield OpenInterrupted(source)


@dataclass(frozen=True)
class OpenInterrupted(OpenSource):
    """An open InterruptedSource."""

    source: OpenSource

    def attempt(self, request: ImageRequest) -> FoundFaces:
        """Ask the run to stop."""
        PROGRESS.stop.set()
        return self.source.attempt(request)


@pytest.fixture
def _not_stopped() -> Iterator[None]:
    """Clear the request to stop after the test."""
    yield
    PROGRESS.stop.clear()


@pytest.mark.usefixtures("_not_stopped")
def test_a_run_that_is_asked_to_stop_asks_no_more(source: LoggingSource, journal: Journal) -> None:
    """A run that is asked to stop ends after the request in flight, and a second run sends no request."""
    step = AnnotateImages(InterruptedSource(source.folder), journal)
    for _ in range(2):
        with pytest.raises(RunError, match="asked to stop"):
            annotate(rows_of(1, 2, 3), step, lambda *_: None)
    assert asked(source).total() == 1


def test_progress_counts_every_row(source: LoggingSource, journal: Journal) -> None:
    """The progress numbers that the runner shows count rows, not requests."""
    rows = rows_of(*(number % 20 for number in range(60)), "not_found", "not_found")
    before = PROGRESS.counts
    annotate(rows, AnnotateImages(source, journal), lambda *_: None)
    after = PROGRESS.counts
    counts = [len(fake_faces(ImageRequest(url_of(number))).faces) for number in range(20)]
    empty = 3 * counts.count(0)
    assert after.ok - before.ok == 60 - empty
    assert after.no_face - before.no_face == empty
    assert after.faces - before.faces == 3 * sum(counts)
    assert after.dead - before.dead == {"not_found": 2}


def test_an_answer_of_an_earlier_run_is_not_asked_for(source: LoggingSource, journal: Journal) -> None:
    """A later run reuses answers and rejects; it retries transient failures and the codes in `ask_again`."""
    rows = rows_of(1, "image_empty", "timeout")
    step = AnnotateImages(source, journal, policy=AT_ONCE)
    annotate(rows, step, lambda *_: None)

    def check(annotations: Sequence[Annotation], letters: Sequence[DeadLetter]) -> None:
        assert [(each.row, each.answer.from_journal, each.answer.attempts) for each in annotations] == [
            (rows[0], True, 0)
        ]
        assert sorted(each.failure.code for each in letters) == ["image_empty", "timeout"]

    annotate(rows, step, check)
    annotate(rows, replace(step, ask_again=["image_empty"]), lambda *_: None)
    counts = [asked(source)[f"{url_of(name)}|0|0"] for name in (1, "image_empty", "timeout")]
    assert counts == [1, 2, 12]


def test_what_was_asked_is_counted_by_the_image(source: LoggingSource, journal: Journal) -> None:
    """The step counts images, calls, retries and stored answers per distinct image, not per row."""
    annotate(rows_of(1), AnnotateImages(source, journal), lambda *_: None)
    rows = rows_of(1, 1, 2, 2, "timeout", "timeout")
    with beam.Pipeline(FnApiRunner()) as root:
        made = root | beam.Create(rows, reshuffle=False)
        ends = made | AnnotateImages(source, journal, policy=AT_ONCE)
        expected = CallCounts(images=3, from_journal=1, sent=5, retries=3)
        assert_that(ends.calls, lambda found: equal_to_one(sum_of_calls(found), expected))


@dataclass(frozen=True)
class SurenessSource(LoggingSource):
    """The logging source, whose faces have the scores 0.9 and 0.2; the third one has none."""

    @contextmanager
    def open(self) -> Iterator[OpenSource]:
        """Give a source of three faces per image."""
        with super().open() as opened:
            yield OpenSureness(opened)


@dataclass(frozen=True)
class OpenSureness(OpenSource):
    """An open SurenessSource."""

    source: OpenSource

    def attempt(self, request: ImageRequest) -> FoundFaces:
        """Find three faces."""
        found = self.source.attempt(request)
        return replace(found, faces=tuple(Face(POINTS, score, None) for score in (0.9, 0.2, None)))


POINTS = np.zeros((90, 2), np.float32)


@pytest.mark.parametrize(("min_score", "kept"), [(0.0, [0.9, 0.2, None]), (0.5, [0.9, None]), (1.0, [None])])
def test_unsure_faces_are_left_out_and_stay_in_the_journal(
    tmp_path: Path, journal: Journal, min_score: float, kept: list[float | None]
) -> None:
    """Faces below `min_score` are left out and counted per image; another `min_score` asks nothing again."""
    log = tmp_path / "log"
    log.mkdir()
    step = AnnotateImages(SurenessSource(log), journal)
    annotate(rows_of(1), replace(step, min_score=1.0), lambda *_: None)
    with beam.Pipeline(FnApiRunner()) as root:
        made = root | beam.Create(rows_of(1, 1), reshuffle=False)
        ends = made | replace(step, min_score=min_score)
        expected = CallCounts(images=1, from_journal=1, faces_left_out=3 - len(kept))
        assert_that(ends.calls, lambda found: equal_to_one(sum_of_calls(found), expected), "calls")
        assert_that(ends.annotations, lambda found: have_scores(found, [kept, kept]), "faces")


def have_scores(found: Sequence[Annotation], expected: list[list[float | None]]) -> None:
    """Compare the faces of each annotation by their scores."""
    assert [[face.score for face in each.answer.faces] for each in found] == expected


def equal_to_one(found: CallCounts, expected: CallCounts) -> None:
    """Compare the counts, so that a failed assertion shows both."""
    assert found == expected


def test_an_unforeseen_error_is_the_failure_of_its_image(source: LoggingSource, journal: Journal) -> None:
    """One image that raises any exception is a dead letter with type and place; the next run asks for it."""
    rows = rows_of(*range(200))
    poisoned = replace(source, poison=frozenset({url_of(7)}))

    def check(annotations: Sequence[Annotation], letters: Sequence[DeadLetter]) -> None:
        assert len(annotations) == 199
        (letter,) = letters
        assert (letter.row, letter.failure.code) == (rows[7], ErrorCode.INTERNAL_ERROR)
        assert letter.failure.message.startswith("ValueError at ")
        assert "test_annotate_images.py:" in letter.failure.message
        assert "s3cret" not in letter.failure.message

    annotate(rows, AnnotateImages(poisoned, journal), check)
    annotate(rows, AnnotateImages(source, journal), lambda *_: None)
    assert asked(source)[f"{url_of(7)}|0|0"] == 2
    assert asked(source)[f"{url_of(8)}|0|0"] == 1


@pytest.mark.parametrize("poison", [range(5), range(0, 700, 100)])
def test_many_unforeseen_errors_end_the_run(source: LoggingSource, journal: Journal, poison: range) -> None:
    """Five errors in a row, or more than one in a hundred images, are a defect: the run ends."""
    defect = replace(source, poison=frozenset(map(url_of, poison)))
    with pytest.raises(
        RunError, match=r"an error in facebeam failed .* images, the last one with ValueError at"
    ):
        annotate(rows_of(*range(poison.stop)), AnnotateImages(defect, journal), lambda *_: None)
