"""Ask a face source about each distinct image once, and give the answer to every row with that image."""

from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final, Literal, NamedTuple

import apache_beam as beam
import numpy as np
from apache_beam.pvalue import PCollection, TaggedOutput

from facebeam.schemas.errors import RunError
from facebeam.schemas.run_record import FROM_EARLIER_TRY, FROM_JOURNAL, CallCounts, calls_of, sum_of_calls
from facebeam.schemas.values import (
    Annotation,
    Answer,
    AskedBy,
    DeadLetter,
    Failure,
    ImageRequest,
    ManifestRow,
)
from facebeam.transforms.http.shown_text import shown_url
from facebeam.transforms.journal.journal import Journal, JournalWriter
from facebeam.transforms.sources.face_source import FaceSource, OpenSource
from facebeam.transforms.sources.retry import RetryPolicy, ask
from facebeam.transforms.steps.defects import Defects, internal_error
from facebeam.transforms.steps.leases import ShardLeases
from facebeam.transforms.steps.metrics import counting
from facebeam.transforms.steps.progress import PROGRESS, stop_if_asked
from facebeam.transforms.steps.questions import Asked, Question, group_by_question
from facebeam.transforms.steps.same_version import check_same_version, installed_version
from facebeam.transforms.steps.staged_rows import StagedRows, StageRows, unpack_in_turn
from facebeam.transforms.steps.thread_window import free_lanes_first, thread_window
from facebeam.transforms.steps.throttling_signal import ThrottlingSignal

__all__ = ["AnnotateImages", "AnnotatedImages"]


def answer_or_failure(
    source: OpenSource, request: ImageRequest, name: str, policy: RetryPolicy
) -> Answer | Failure:
    """Ask about one image, with retries, until there is an answer or a final failure.

    An unexpected exception becomes the failure `internal_error` of this image and does not end the run.
    """
    try:
        return ask(source, request, name, policy)
    except RunError:
        raise
    except Exception as error:  # noqa: BLE001 - one image must not end the run
        return internal_error(error)


def without_unsure(result: Answer | Failure, min_score: float) -> tuple[Answer | Failure, int]:
    """Leave out the faces whose score is lower, and count them; faces without a score stay.

    Scores are compared as the table has them, float32: a score read from there is not below itself.
    """
    if isinstance(result, Failure):
        return result, 0
    kept = tuple(
        face for face in result.faces if face.score is None or np.float32(face.score) >= np.float32(min_score)
    )
    left_out = len(result.faces) - len(kept)
    return (replace(result, faces=kept) if left_out else result), left_out


class AnnotatedImages(NamedTuple):
    """The rows with an answer, the rows that failed, and the calls that this took."""

    annotations: PCollection[Annotation]
    dead_letters: PCollection[DeadLetter]
    calls: PCollection[CallCounts]


@dataclass(kw_only=True)
class AnnotateImages(beam.PTransform[PCollection[ManifestRow], AnnotatedImages]):
    """PCollection[ManifestRow] -> AnnotatedImages(annotations, dead_letters, calls).

    Each row comes out exactly once, as annotation or as dead letter, in any order. Rows with equal URLs share
    one answer. The GroupByKey is the only shuffle in a run, and moves references to rows. One `process()`
    call annotates one shard; if an engine gives a shard to two workers, the one that began first stops within
    five seconds. Each shard has its part of the rate and the budget, so both also hold for the whole run. The
    journal has an answer at most five seconds after it arrived.

    Args:
        source: the face source to ask.
        journal: stores answers for later runs, and is searched before the source is asked.
        question: what to ask about every image.
        shards: number of groups of rows, which workers may process in parallel.
        ask_again: error codes, 'ok' or 'no_face'; images whose stored result is one of these are asked again.
        min_score: faces with a lower score, 0 to 1, are left out of the annotations. The journal stores them.
        asked_by: this run and this try of it. Stored answers of any try of this run are reused even if
            `ask_again` names them, because the run has paid for them. Those of this try also count as its
            calls: the journal has them only if the engine has retried a bundle. None: the journal does not
            record who asked.
        leases: lets a worker notice that another one has taken over its shard. None: the engine never gives
            a shard to two workers.
        rows_folder: folder for the rows on their way to the workers, which all must be able to read it;
            delete it after the run. None: the engine holds the rows of a shard in memory.
        policy: how often to retry a failure with fate `retry`.
    """

    source: FaceSource = field(kw_only=False)
    journal: Journal = field(kw_only=False)
    question: Question = field(default_factory=Question)
    shards: int = 1
    ask_again: Collection[str] = ()
    min_score: float = 0.0
    asked_by: AskedBy | None = None
    leases: ShardLeases | None = None
    rows_folder: str | None = None
    policy: RetryPolicy = field(default_factory=RetryPolicy)

    def display_data(self) -> dict[str, str | float]:
        """Give what engines show beside this step."""
        shown = {
            "source": self.source.identity,
            **self.source.settings(),
            "mode": self.question.mode,
            "need_rotate_detection": self.question.need_rotate_detection,
            "shards": self.shards,
            "journal": shown_url(self.journal.path),
            "max_age_s": self.journal.max_age_s,
            "ask_again": ", ".join(self.ask_again) or None,
            "min_score": self.min_score,
            "attempts": self.policy.max_attempts,
        }
        return {name: value for name, value in shown.items() if value is not None}

    def expand(self, rows: PCollection[ManifestRow]) -> AnnotatedImages:
        """Group the rows by shard, then annotate each shard."""
        key_of = partial(self.question.key, self.source.identity)
        shards = rows | beam.ParDo(StageRows(key_of, self.shards, self.rows_folder)) | beam.GroupByKey()
        annotated = shards | beam.ParDo(_AnnotateShard(self)).with_outputs(_DEAD, _CALLS, main=_ANNOTATIONS)
        return AnnotatedImages(annotated[_ANNOTATIONS], annotated[_DEAD], annotated[_CALLS])


_ANNOTATIONS: Final = "annotations"
_DEAD: Final = "dead_letters"
_CALLS: Final = "calls"
_Dead = TaggedOutput[Literal["dead_letters"], DeadLetter]
_Calls = TaggedOutput[Literal["calls"], CallCounts]


class _OpenShard(NamedTuple):
    """What is open while a shard is annotated."""

    source: OpenSource
    pool: ThreadPoolExecutor
    writer: JournalWriter
    throttling: ThrottlingSignal
    defects: Defects
    largest_window: int

    def window(self) -> int:
        """Give the number of requests to have in flight now."""
        return min(self.source.window(), self.largest_window)


@contextmanager
def _open_shard(step: AnnotateImages, shard: int) -> Iterator[_OpenShard]:
    """Open the shard's part of the source, a thread for each request in flight, and the journal."""
    source = step.source.for_shard(shard, step.shards)
    may_go_on = step.leases.take(shard).is_held if step.leases else None
    tag = step.asked_by.tag if step.asked_by else None
    with (
        source.open() as opened,
        ThreadPoolExecutor(source.largest_window, "annotate") as pool,
        step.journal.open(asked_by=tag, may_go_on=may_go_on) as writer,
    ):
        PROGRESS.begin("annotating")
        PROGRESS.why_slow = opened.why_slow
        yield _OpenShard(opened, pool, writer, ThrottlingSignal(), Defects(), source.largest_window)


class _AnnotateShard(beam.DoFn):
    def __init__(self, step: AnnotateImages) -> None:
        self._step = step
        self._built_by = installed_version()

    def setup(self) -> None:
        """Check that this worker has the version of facebeam that built the pipeline."""
        check_same_version(self._built_by)

    def display_data(self) -> dict[str, str | float]:
        """Give the same as the step, since some engines show only this part of it."""
        return self._step.display_data()

    def process(self, element: tuple[int, Iterable[StagedRows]]) -> Iterator[Annotation | _Dead | _Calls]:
        shard, staged = element
        with _open_shard(self._step, shard) as opened, counting() as tally:
            for rows in unpack_in_turn(staged):
                asked = group_by_question(rows, self._step.question, self._step.source.identity)
                calls: list[CallCounts] = []
                for key, result, counts in self._results(opened, asked):
                    one = asked.pop(key)
                    kept, left_out = without_unsure(result, self._step.min_score)
                    tally.count_image(kept, len(one.rows), counts)
                    calls.append(counts._replace(faces_left_out=left_out))
                    yield from _fan_out(one.rows, kept)
                yield _Calls(_CALLS, sum_of_calls(calls))

    def _results(
        self, opened: _OpenShard, asked: dict[bytes, Asked]
    ) -> Iterator[tuple[bytes, Answer | Failure, CallCounts]]:
        """Yield the result and the calls of each key: first from the journal, then from the source."""
        left, step = dict(asked), self._step
        for key, result in step.journal.stored(asked.keys()):
            by = step.asked_by
            is_paid = by is not None and by.asked(result.asked_by)
            if is_paid:
                opened.source.count_earlier_call()
            is_own = by is not None and by.asked_before(result.asked_by)
            if is_own or result.name not in step.ask_again:
                del left[key]
                yield key, result, FROM_EARLIER_TRY if is_paid else FROM_JOURNAL
        one = partial(self._ask, opened)
        items = free_lanes_first(left.items(), partial(_lane, opened.source), opened.source.is_busy)
        for (key, _), result in thread_window(opened.pool, opened.window, one, items):
            opened.throttling.tell(opened.source.throttled_s())
            opened.defects.count(result)
            yield key, result, calls_of(result)

    def _ask(self, opened: _OpenShard, item: tuple[bytes, Asked]) -> Answer | Failure:
        stop_if_asked()
        key, asked = item
        result = answer_or_failure(opened.source, asked.request, self._step.source.name, self._step.policy)
        opened.writer.record(key, asked.request, result)
        return result


def _lane(source: OpenSource, item: tuple[bytes, Asked]) -> str:
    return source.lane(item[1].request)


def _fan_out(rows: list[ManifestRow], result: Answer | Failure) -> Iterator[Annotation | _Dead]:
    """Give the result to every row with this image."""
    if isinstance(result, Answer):
        yield from [Annotation(row, result) for row in rows]
    else:
        yield from [_Dead(_DEAD, DeadLetter(row, result)) for row in rows]
