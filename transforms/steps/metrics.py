"""Count what a bundle does: once, for the command in this process and for the engine.

The command reads the counts as they are. The engine gets them as Beam's metrics, once a second, because a
metric costs as much as all else that is counted of a row. Engines report what was attempted: they may count
a bundle twice that they have retried. So the commit counts the tables.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from time import monotonic
from typing import Final

from apache_beam.metrics.metric import Metrics

from facebeam.schemas.counts import LATENCY, NAMESPACE, Counts
from facebeam.schemas.run_record import CallCounts
from facebeam.schemas.values import Answer, Failure
from facebeam.transforms.steps.progress import PROGRESS

_TELL_EVERY_S: Final = 1.0
_LATENCIES: Final = Metrics.distribution(NAMESPACE, LATENCY)


@cache
def _increment(name: str) -> Callable[[int], None]:
    return Metrics.counter(NAMESPACE, name).inc


class Tally:
    """The counts of one bundle. Only the bundle's thread may use it: Beam finds the step by the thread."""

    def __init__(self, counts: Counts) -> None:
        self._counts = counts
        self._told: Mapping[str, int] = {}
        self._told_at = monotonic()

    def count_row(self, failure: Failure | None) -> None:
        """Count a row of the manifest, which has a failure if it is not valid."""
        self._counts.rows += 1
        if failure:
            self._counts.dead[failure.code] += 1
        self._tell_in_time()

    def count_image(self, result: Answer | Failure, rows: int, calls: CallCounts) -> None:
        """Count the rows that share an image, and the calls for it."""
        counts = self._counts
        if isinstance(result, Failure):
            counts.dead[result.code] += rows
        elif result.faces:
            counts.ok += rows
            counts.faces += rows * len(result.faces)
        else:
            counts.no_face += rows
        counts.from_journal += calls.from_journal
        if calls.sent:
            counts.calls += calls.sent
            counts.retries += calls.retries
            counts.called_rows += rows
            self._count_latency(result)
        self._tell_in_time()

    def _count_latency(self, result: Answer | Failure) -> None:
        if isinstance(result, Answer) and result.latency_ms is not None:
            latency_ms = round(result.latency_ms)
            self._counts.latency_sum_ms += latency_ms
            self._counts.latencies += 1
            _LATENCIES.update(latency_ms)

    def _tell_in_time(self) -> None:
        if monotonic() - self._told_at > _TELL_EVERY_S:
            self.tell()

    def tell(self) -> None:
        """Add to Beam's metrics what was counted since the last time."""
        metrics = self._counts.metrics()
        for name, count in metrics.items():
            _increment(name)(count - self._told.get(name, 0))
        self._told, self._told_at = metrics, monotonic()


@contextmanager
def counting() -> Iterator[Tally]:
    """Count in the block, which is a bundle or a part of it."""
    with PROGRESS.counting() as counts:
        tally = Tally(counts)
        yield tally
        tally.tell()
