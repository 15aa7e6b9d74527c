"""Find the few rows with the smallest values in a table that is read one batch at a time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Row = Mapping[str, object]


@dataclass
class Smallest:
    """The rows with the smallest values so far; of equal rows only one.

    Args:
        most: largest number of rows.
    """

    most: int
    _kept: dict[tuple[object, ...], tuple[float, Row]] = field(default_factory=dict)

    def offer(self, values: NDArray[np.float64], rows: pa.RecordBatch) -> None:
        """Take more rows into account.

        Args:
            values: float64[n], the value of each row; a row with NaN is left out.
            rows: n rows, with the columns that `rows()` returns; rows that are equal in them count once.
        """
        usable = np.flatnonzero(~np.isnan(values))
        # more rows than `most`, because some of them may be equal
        chosen = usable[np.argsort(values[usable], kind="stable")[: 4 * self.most]]
        for value, row in zip(values[chosen].tolist(), rows.take(pa.array(chosen)).to_pylist(), strict=True):
            self._kept.setdefault(tuple(row.values()), (value, row))
        ordered = sorted(self._kept.items(), key=lambda item: item[1][0])
        self._kept = dict(ordered[: self.most])

    def rows(self) -> Sequence[Row]:
        """Give the rows, the smallest value first."""
        return [row for _, row in self._kept.values()]
