"""Ask a face source for each distinct image once, and fan the answer out to every row that asked for it."""

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import chain
from typing import Final, Literal, NamedTuple

import apache_beam as beam
from apache_beam.pvalue import PCollection, TaggedOutput

from schemas.values import Annotation, Answer, DeadLetter, Failure, FailureError, ImageRequest, ManifestRow
from transforms.face_source import Attempt, FaceSource
from transforms.progress import PROGRESS, stop_if_asked
from transforms.retry import RetryPolicy, answer_with_retries
from transforms.row_blocks import BlockByShard, RowBlock
from transforms.thread_window import thread_window

Requests = Mapping[ImageRequest, list[ManifestRow]]


def requests_of(rows: Iterable[ManifestRow], mode: int, need_rotate_detection: int) -> Requests:
    """Group rows by the request that answers them.

    Shape: n rows of m distinct URLs -> m requests, n rows in all.
    """
    asked: dict[ImageRequest, list[ManifestRow]] = {}
    for row in rows:
        asked.setdefault(ImageRequest(row.image_url, mode, need_rotate_detection), []).append(row)
    return asked


def answer_or_failure(attempt: Attempt, policy: RetryPolicy, request: ImageRequest) -> Answer | Failure:
    """Ask for one image until its fate is decided. This is the one place that catches failures."""
    try:
        return answer_with_retries(attempt, request, policy)
    except FailureError as error:
        return error.failure


class AnnotatedImages(NamedTuple):
    """The two ends of a row that names an image."""

    annotations: PCollection[Annotation]
    dead_letters: PCollection[DeadLetter]


@dataclass
class AnnotateImages(beam.PTransform[PCollection[ManifestRow], AnnotatedImages]):
    """PCollection[ManifestRow] -> AnnotatedImages(annotations, dead_letters).

    Each row comes out exactly once, on one of the two. Equal URLs share one answer: the GroupByKey is the
    run's only shuffle of rows, and one shard is in one `process()` at a time on every runner. No order.

    Args:
        source: what annotates; at most `source.window` requests of a shard are in flight.
        mode: 0 all faces, 1 the largest.
        need_rotate_detection: 1 looks for turned faces too.
        shards: how many groups of rows there are; a worker holds one group's rows in memory.
        policy: how often a failure with fate `retry` is asked for again.
    """

    source: FaceSource
    mode: int = 0
    need_rotate_detection: int = 0
    shards: int = 1
    policy: RetryPolicy = field(default_factory=RetryPolicy)

    def expand(self, rows: PCollection[ManifestRow]) -> AnnotatedImages:
        """Put the rows of a shard together, annotate each shard."""
        annotated = (
            rows
            | "BlockByShard" >> beam.ParDo(BlockByShard(self.shards))
            | "GroupByShard" >> beam.GroupByKey()
            | "AnnotateShard" >> beam.ParDo(_AnnotateShard(self)).with_outputs(_DEAD, main=_ANNOTATIONS)
        )
        return AnnotatedImages(annotated[_ANNOTATIONS], annotated[_DEAD])


_ANNOTATIONS: Final = "annotations"
_DEAD: Final = "dead_letters"
_Dead = TaggedOutput[Literal["dead_letters"], DeadLetter]


class _AnnotateShard(beam.DoFn):
    def __init__(self, step: AnnotateImages) -> None:
        self._step = step

    def setup(self) -> None:
        """Open the source once a worker, with a thread for each request in flight."""
        self._open = ExitStack()
        self._attempt = self._open.enter_context(self._step.source.open())
        self._pool = self._open.enter_context(ThreadPoolExecutor(self._step.source.window, "annotate"))

    def teardown(self) -> None:
        """Let the last threads end, close the source."""
        self._open.close()

    def process(self, element: tuple[int, Iterable[RowBlock]]) -> Iterator[Annotation | _Dead]:
        rows = chain.from_iterable(block.rows for block in element[1])
        asked = requests_of(rows, self._step.mode, self._step.need_rotate_detection)
        for request, result in thread_window(self._pool, self._step.source.window, self._ask, asked):
            yield from _fan_out(asked[request], result)

    def _ask(self, request: ImageRequest) -> Answer | Failure:
        stop_if_asked()
        return answer_or_failure(self._attempt, self._step.policy, request)


def _fan_out(rows: list[ManifestRow], result: Answer | Failure) -> Iterator[Annotation | _Dead]:
    """Give every row that asked the one result; count on the bundle's thread."""
    if isinstance(result, Answer):
        PROGRESS.count_answer(result, len(rows))
        yield from (Annotation(row, result) for row in rows)
    else:
        PROGRESS.count_dead(result.code, len(rows))
        yield from (_Dead(_DEAD, DeadLetter(row, result)) for row in rows)
