"""Find one type for a column that several runs have written with different types."""

from collections.abc import Callable, Iterable
from functools import reduce
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

_EXACT: Final = 2**53
"""Beyond this number, two different integers may become the same double."""


def common_type(types: Iterable[pa.DataType], has_wide_integers: Callable[[], bool]) -> pa.DataType:
    """Give a type that can hold every value of all these types; string if there is no other.

    Args:
        types: the types of the column, one per run; at least one.
        has_wide_integers: tells whether the column has integers beyond 2^53, which a double would change.
            It is called only if some types are integers and others are floating.

    >>> common_type([pa.int32(), pa.int64()], lambda: True)
    DataType(int64)
    >>> common_type([pa.int64(), pa.float32()], lambda: False)
    DataType(double)
    >>> common_type([pa.int64(), pa.float32()], lambda: True)
    DataType(string)
    >>> common_type([pa.int64(), pa.list_(pa.int64())], lambda: False)
    DataType(string)
    """
    kinds = list(dict.fromkeys(types))
    common = reduce(_common_of_two, kinds)
    meet = pa.types.is_floating(common) and any(map(pa.types.is_integer, kinds))
    return pa.string() if meet and has_wide_integers() else common


def has_wide_integers(footers: Iterable[pq.FileMetaData], column: str) -> bool:
    """Read from the footers of Parquet files whether a column has integers beyond 2^53."""
    groups = (footer.row_group(number) for footer in footers for number in range(footer.num_row_groups))
    chunks = (group.column(number) for group in groups for number in range(group.num_columns))
    bounds = (chunk.statistics for chunk in chunks if chunk.path_in_schema == column)
    limits = (limit for found in bounds if found for limit in (found.min, found.max))
    return any(isinstance(limit, int) and abs(limit) > _EXACT for limit in limits)


def _common_of_two(one: pa.DataType, other: pa.DataType) -> pa.DataType:
    both = (one, other)
    if pa.types.is_decimal(one) != pa.types.is_decimal(other):  # Arrow would round, or have too few digits
        return pa.string()
    if any(map(pa.types.is_floating, both)) and any(map(_is_long, both)):  # Arrow might choose float32
        return pa.float64()
    if pa.uint64() in both and any(map(pa.types.is_signed_integer, both)):  # Arrow would choose int64
        return pa.string()
    schemas = [pa.schema([("column", kind)]) for kind in both]
    try:
        return pa.unify_schemas(schemas, promote_options="permissive").field(0).type
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.string()


def _is_long(kind: pa.DataType) -> bool:
    return kind in {pa.int64(), pa.uint64()}
