"""The smallest and largest value of a file's column, known before the values are read."""

from typing import Final

import pyarrow as pa

_RANGE: Final = b"facebeam.range"
"""Field metadata of a column of integers, times or durations: the lowest and highest value as int64."""


def with_range(field: pa.Field, low: int, high: int) -> pa.Field:
    """Add the lowest and highest value to a field, as the 64 bits that store them."""
    return field.with_metadata({**(field.metadata or {}), _RANGE: f"{low},{high}".encode()})


def extremes(field: pa.Field) -> pa.Array:
    """Give the lowest and highest value of a column: from `with_range`, or else those of its type.

    Args:
        field: a column of integers, timestamps or durations.
    """
    noted = (field.metadata or {}).get(_RANGE)
    if noted is not None:
        return _from_bits([int(bits) for bits in noted.split(b",")], field.type)
    width = field.type.bit_width
    if pa.types.is_unsigned_integer(field.type):
        return _from_bits([0, -1], field.type)
    return _from_bits([-(1 << width - 1), (1 << width - 1) - 1], field.type)


def _from_bits(bits: list[int], kind: pa.DataType) -> pa.Array:
    return pa.array(bits, pa.int64()).cast(kind, safe=False)
