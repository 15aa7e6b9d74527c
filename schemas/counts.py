"""Counts of a run in progress, and the names of the metrics by which engines report them."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from inspect import get_annotations
from typing import Annotated, Final, Self

NAMESPACE: Final = "facebeam"
"""The namespace of all metrics."""
LATENCY: Final = "latency_ms"
"""The metric with the distribution of latencies; all others are counters."""
_DEAD: Final = "dead_"


@dataclass(slots=True)
class Counts:
    """What a run, or a part of it, has done so far. Only one thread may write an object."""

    rows: Annotated[int, "rows of the manifest that were read, valid or not"] = 0
    ok: Annotated[int, "rows with a face"] = 0
    no_face: Annotated[int, "rows without a face"] = 0
    faces: Annotated[int, "faces of all rows"] = 0
    calls: Annotated[int, "calls for images that have an answer or a failure, retries included"] = 0
    retries: Annotated[int, "calls after the first one for an image"] = 0
    called_rows: Annotated[int, "rows that share the images of the calls"] = 0
    from_journal: Annotated[int, "distinct images answered from the journal"] = 0
    dead: Counter[str] = field(default_factory=Counter)
    """Error code -> rows; a metric `dead_<code>` for each."""
    latency_sum_ms: int = 0
    latencies: int = 0
    """New answers: the number of latencies in the sum."""

    @classmethod
    def of_metrics(cls, metrics: Mapping[str, int], latency_sum_ms: int = 0, latencies: int = 0) -> Self:
        """Give the counts that an engine reports; metrics with other names are ignored.

        >>> Counts.of_metrics({"rows": 3, "dead_timeout": 1}).metrics()
        {'rows': 3, 'dead_timeout': 1}
        """
        known = {name: metrics[name] for name in _COUNTERS if name in metrics}
        dead = {name.removeprefix(_DEAD): count for name, count in metrics.items() if name.startswith(_DEAD)}
        return cls(**known, dead=Counter(dead), latency_sum_ms=latency_sum_ms, latencies=latencies)

    def __bool__(self) -> bool:
        """Whether anything is counted."""
        return bool(self.metrics())

    def metrics(self) -> dict[str, int]:
        """Give the counters that are not zero, by name."""
        dead = {_DEAD + code: count for code, count in self.dead.copy().items()}
        named = {name: getattr(self, name) for name in _COUNTERS} | dead
        return {name: count for name, count in named.items() if count}

    @property
    def rows_done(self) -> int:
        """Rows with an answer or a failure."""
        return self.ok + self.no_face + self.dead.total()

    @property
    def rows_left(self) -> int:
        """Rows that were read and have neither an answer nor a failure."""
        return self.rows - self.rows_done

    @property
    def calls_per_row(self) -> float:
        """Calls per row so far: retries make it more than one, duplicate rows less."""
        return self.calls / self.called_rows if self.calls and self.called_rows else 1.0

    @property
    def latency_ms(self) -> float | None:
        """The mean latency of a new answer, in ms. None: there are no new answers."""
        return self.latency_sum_ms / self.latencies if self.latencies else None


_COUNTERS: Final = [name for name, hint in get_annotations(Counts).items() if hasattr(hint, "__metadata__")]


def total(parts: Iterable[Counts]) -> Counts:
    """Add up the counts of the parts of a run."""
    metrics, latency_sum_ms, latencies = Counter[str](), 0, 0
    for part in parts:
        metrics.update(part.metrics())
        latency_sum_ms += part.latency_sum_ms
        latencies += part.latencies
    return Counts.of_metrics(metrics, latency_sum_ms, latencies)
