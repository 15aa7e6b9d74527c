"""Tell whether a type holds each value of another one."""

from collections.abc import Iterator

import pyarrow as pa

from transforms.manifest_formats.value_range import extremes


def keeps_values(column: pa.Field, kind: pa.DataType) -> bool:
    """Tell whether each value of a file's column equals what is read back from a column of type `kind`.

    Args:
        column: the file's, with the range of its values where it is known.
        kind: what Arrow's permissive promotion makes of the column's type and others.
    """
    stored = column.type
    if stored == kind or pa.types.is_null(stored):
        return True
    if pa.types.is_nested(stored):
        return all(keeps_values(child, inner) for child, inner in _children(stored, kind))
    if _is_bytes(kind):
        return _is_bytes(stored)
    if pa.types.is_floating(kind):
        whole = pa.types.is_integer(stored) and _come_back(extremes(column), kind)
        return whole or pa.types.is_floating(stored)  # a decimal is no float: 0.1 is none
    if pa.types.is_integer(stored) or pa.types.is_timestamp(stored) or pa.types.is_duration(stored):
        return _come_back(extremes(column), kind)
    return True  # texts, dates, times of day and decimals: Arrow only widens them


def _children(stored: pa.DataType, kind: pa.DataType) -> Iterator[tuple[pa.Field, pa.DataType]]:
    """Pair the fields of a struct by their names, those of a list or map by their places."""
    for i in range(stored.num_fields):
        child = stored.field(i)
        yield child, kind.field(child.name if pa.types.is_struct(stored) else i).type


def _come_back(values: pa.Array, kind: pa.DataType) -> bool:
    try:
        back: bool = values.cast(kind).cast(values.type).equals(values)
    except pa.ArrowInvalid:
        return False
    return back


def _is_bytes(kind: pa.DataType) -> bool:
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind)
