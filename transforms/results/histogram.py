"""Count values between edges, for the small plots of the report."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

_DEGREES: Final = (-90, -60, -45, -30, -15, 0, 15, 30, 45, 60, 90)
EDGES: Final[Mapping[str, Sequence[float]]] = {
    "face_size": (32, 64, 128, 256, 512, 1024, 2048),
    "score": tuple(round(0.1 * i, 1) for i in range(1, 10)),
    "predicted_error": (1, 2, 3, 4, 5, 6, 8, 10, 15),
    "yaw_deg": _DEGREES,
    "pitch_deg": _DEGREES,
    "roll_deg": (-180, -135, -90, -60, -30, -15, 0, 15, 30, 60, 90, 135, 180),
}
"""Name of a value -> the edges between its bars; the first and the last bar are open."""


@dataclass
class Histogram:
    """Counts of values between edges.

    Args:
        edges: n edges in ascending order; there are n + 1 bars.
    """

    edges: Sequence[float]
    counts: list[int] = field(default_factory=list)

    def add(self, values: NDArray[np.float64]) -> None:
        """Count values, float64[n]; a value equal to an edge belongs to the bar above the edge."""
        bars = np.bincount(np.searchsorted(self.edges, values, side="right"), minlength=len(self.edges) + 1)
        self.counts = (
            bars.tolist() if not self.counts else [*map(sum, zip(self.counts, bars.tolist(), strict=True))]
        )

    def bars(self) -> Iterator[tuple[str, int]]:
        """Give the label and the count of each bar, without empty bars at both ends.

        >>> import numpy
        >>> histogram = Histogram((1, 2))
        >>> histogram.add(numpy.array([0.5, 1.0, 3.0]))
        >>> list(histogram.bars())
        [('<1', 1), ('1', 1), ('2+', 1)]
        """
        labels = [f"<{self.edges[0]:g}", *(f"{edge:g}" for edge in self.edges[:-1]), f"{self.edges[-1]:g}+"]
        used = np.flatnonzero(self.counts)
        for i in range(used[0], used[-1] + 1) if len(used) else ():
            yield labels[i], self.counts[i]
