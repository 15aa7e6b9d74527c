"""Ask a face source for each distinct image once, and fan the answer out to every row that asked for it."""

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
from facebeam.schemas.run_record import FROM_JOURNAL, RECALLED, CallCounts, calls_of, sum_of_calls
from facebeam.schemas.values import (
    Annotation,
    Answer,
    AskedBy,
    DeadLetter,
    Failure,
    ImageRequest,
    ManifestRow,
)
from facebeam.transforms.journal.journal import Journal, JournalWriter
from facebeam.transforms.sources.face_source import FaceSource, OpenSource
from facebeam.transforms.sources.retry import RetryPolicy, ask
from facebeam.transforms.steps.defects import Defects, internal_error
from facebeam.transforms.steps.leases import ShardLeases
from facebeam.transforms.steps.progress import PROGRESS, stop_if_asked
from facebeam.transforms.steps.questions import Asked, Question, group_by_question
from facebeam.transforms.steps.row_blocks import BlockByShard, RowBlock, unpack_in_turn
from facebeam.transforms.steps.same_version import check_same_version, installed_version
from facebeam.transforms.steps.thread_window import free_lanes_first, thread_window
from facebeam.transforms.steps.throttling_signal import ThrottlingSignal

__all__ = ["AnnotateImages", "AnnotatedImages"]


def answer_or_failure(
    source: OpenSource, request: ImageRequest, name: str, policy: RetryPolicy
) -> Answer | Failure:
    """Ask for one image until its fate is decided.

    An exception that nobody foresaw is the failure `internal_error` of this image, not the end of the run.
    """
    try:
        return ask(source, request, name, policy)
    except RunError:
        raise
    except Exception as error:  # noqa: BLE001 - one image must not stop every night
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
    """The two ends of a row that names an image, and what they cost."""

    annotations: PCollection[Annotation]
    dead_letters: PCollection[DeadLetter]
    calls: PCollection[CallCounts]


@dataclass(kw_only=True)
class AnnotateImages(beam.PTransform[PCollection[ManifestRow], AnnotatedImages]):
    """PCollection[ManifestRow] -> AnnotatedImages(annotations, dead_letters, calls).

    Each row comes out exactly once, on one of the first two. Equal URLs share one answer: the GroupByKey is
    the run's only shuffle of rows, and one shard is in one `process()` at a time; of two workers that an
    engine gives a shard, the older one stops within five seconds. With its part of the rate and the budget,
    that makes both hold for the whole run. An answer is in the journal at most five seconds after it came.
    No order.

    Args:
        source: what annotates.
        journal: where answers are kept between runs, and looked up before the source is asked.
        question: what is asked of every image.
        shards: how many groups of rows there are, which workers may take side by side. A worker holds a
            group in memory, packed: some 20 bytes a row.
        ask_again: error codes, or `no_face`, whose stored answers do not count.
        min_score: the score, 0 to 1, below which a face is left out of the annotations. The journal keeps it.
        asked_by: which try of which run asks. Answers of a try of this run are kept, whatever is to be asked
            again: they are paid for. Those of this very try count as its own calls: they are there where
            the engine repeats a bundle. None: the journal does not tell who asked.
        leases: by which two workers that an engine gives one shard know of each other; None where no engine
            does that.
        policy: how often a failure with fate `retry` is asked for again.
    """

    source: FaceSource = field(kw_only=False)
    journal: Journal = field(kw_only=False)
    question: Question = field(default_factory=Question)
    shards: int = 1
    ask_again: Collection[str] = ()
    min_score: float = 0.0
    asked_by: AskedBy | None = None
    leases: ShardLeases | None = None
    policy: RetryPolicy = field(default_factory=RetryPolicy)

    def expand(self, rows: PCollection[ManifestRow]) -> AnnotatedImages:
        """Put the rows of a shard together, annotate each shard."""
        key_of = partial(self.question.key, self.source.identity)
        shards = rows | beam.ParDo(BlockByShard(key_of, self.shards)) | beam.GroupByKey()
        annotated = shards | beam.ParDo(_AnnotateShard(self)).with_outputs(_DEAD, _CALLS, main=_ANNOTATIONS)
        return AnnotatedImages(annotated[_ANNOTATIONS], annotated[_DEAD], annotated[_CALLS])


_ANNOTATIONS: Final = "annotations"
_DEAD: Final = "dead_letters"
_CALLS: Final = "calls"
_Dead = TaggedOutput[Literal["dead_letters"], DeadLetter]
_Calls = TaggedOutput[Literal["calls"], CallCounts]


class _OpenShard(NamedTuple):
    """What is live while a shard is annotated."""

    source: OpenSource
    pool: ThreadPoolExecutor
    writer: JournalWriter
    throttling: ThrottlingSignal
    defects: Defects
    largest_window: int

    def window(self) -> int:
        """Give the requests that are to be in flight just now."""
        return min(self.source.window(), self.largest_window)


@contextmanager
def _open_shard(step: AnnotateImages, shard: int) -> Iterator[_OpenShard]:
    """Open the shard's part of the source, threads for what is in flight, and the journal."""
    source = step.source.for_shard(shard, step.shards)
    may_go_on = step.leases.take(shard).is_held if step.leases else None
    tag = step.asked_by.tag if step.asked_by else None
    with (
        source.open() as opened,
        ThreadPoolExecutor(source.largest_window, "annotate") as pool,
        step.journal.open(asked_by=tag, may_go_on=may_go_on) as writer,
    ):
        yield _OpenShard(opened, pool, writer, ThrottlingSignal(), Defects(), source.largest_window)


class _AnnotateShard(beam.DoFn):
    def __init__(self, step: AnnotateImages) -> None:
        self._step = step
        self._built_by = installed_version()

    def setup(self) -> None:
        """See that this worker runs what the pipeline was built by."""
        check_same_version(self._built_by)

    def process(self, element: tuple[int, Iterable[RowBlock]]) -> Iterator[Annotation | _Dead | _Calls]:
        shard, blocks = element
        with _open_shard(self._step, shard) as opened:
            for rows in unpack_in_turn(blocks):
                asked = group_by_question(rows, self._step.question, self._step.source.identity)
                calls: list[CallCounts] = []
                for key, result, counts in self._results(opened, asked):
                    kept, left_out = without_unsure(result, self._step.min_score)
                    calls.append(counts._replace(faces_left_out=left_out))
                    yield from _fan_out(asked.pop(key).rows, kept)
                yield _Calls(_CALLS, sum_of_calls(calls))

    def _results(
        self, opened: _OpenShard, asked: dict[bytes, Asked]
    ) -> Iterator[tuple[bytes, Answer | Failure, CallCounts]]:
        """Give each key's result and its calls: what the journal has, then what is asked."""
        left, step = dict(asked), self._step
        for key, result in step.journal.stored(asked.keys()):
            by = step.asked_by
            recalled = by is not None and by.asked(result.asked_by)
            if recalled:
                opened.source.recall()
            is_own = by is not None and by.asked_before(result.asked_by)
            if is_own or result.name not in step.ask_again:
                del left[key]
                yield key, result, RECALLED if recalled else FROM_JOURNAL
        one = partial(self._ask, opened)
        items = free_lanes_first(left.items(), partial(_lane, opened.source), opened.source.is_busy)
        for (key, _), result in thread_window(opened.pool, opened.window, one, items):
            opened.throttling.tell(opened.source.held_back_s())
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
    """Give every row that asked the one result; count on the bundle's thread."""
    if isinstance(result, Answer):
        PROGRESS.count_answer(result, len(rows))
        yield from [Annotation(row, result) for row in rows]
    else:
        PROGRESS.count_dead(result.code, len(rows))
        yield from [_Dead(_DEAD, DeadLetter(row, result)) for row in rows]
