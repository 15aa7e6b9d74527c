"""What the footer of a Parquet file tells of its columns beyond their types."""

from collections.abc import Iterable, Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from transforms.manifest_formats.value_range import with_range


def with_ranges(fields: Iterable[pa.Field], footer: pq.FileMetaData) -> Iterator[pa.Field]:
    """Note the ranges of columns of integers, timestamps and durations, where every row group has its own."""
    places = {footer.schema.column(i).path: i for i in range(footer.num_columns)}
    for field in fields:
        place = None if "." in field.name else places.get(field.name)  # `s.x` may be a field of a struct `s`
        bits = _extreme_bits(footer, place) if place is not None and _is_ordered(field.type) else None
        if bits:
            unsigned = pa.types.is_unsigned_integer(field.type)  # stored as int64: -1 is the largest
            order = [(each % (1 << 64) if unsigned else each, each) for each in bits]
            yield with_range(field, min(order)[1], max(order)[1])
        else:
            yield field


def may_hold_nulls(name: str, footer: pq.FileMetaData) -> bool:
    """Tell whether a column, or what is inside it, may hold a null or an empty list."""
    statistics = (
        footer.row_group(group).column(i).statistics
        for group in range(footer.num_row_groups)
        for i in range(footer.num_columns)
        if footer.schema.column(i).path.startswith(f"{name}.")
    )
    return any(each is None or not each.has_null_count or each.null_count > 0 for each in statistics)


def _is_ordered(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_timestamp(kind) or pa.types.is_duration(kind)


def _extreme_bits(footer: pq.FileMetaData, place: int) -> list[int] | None:
    """Give the extremes of each row group as they are stored; None where one is not known."""
    bits: list[int] = []
    filled = (group for group in range(footer.num_row_groups) if footer.row_group(group).num_rows)
    for group in filled:
        found = footer.row_group(group).column(place).statistics
        if found is None or not (found.has_min_max or found.num_values == 0):
            return None
        if found.has_min_max:
            bits += [found.min_raw, found.max_raw]
    return bits or [0]
