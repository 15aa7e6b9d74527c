"""Manifests in Parquet: their columns, with the ranges of values from the footer, and their records."""

from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from facebeam.schemas.image_url import NOT_UTF8, is_utf8
from facebeam.schemas.manifest_columns import ID_COLUMN, MOST_COLUMNS
from facebeam.transforms.files.any_store import store_of
from facebeam.transforms.manifest.column_types import flaw_of_type, plain_type
from facebeam.transforms.manifest.manifest_file import ManifestError, ManifestFile, ManifestPart, Record
from facebeam.transforms.manifest.value_range import with_range


def with_ranges(fields: Iterable[pa.Field], footer: pq.FileMetaData) -> Iterator[pa.Field]:
    """Add the ranges of columns of integers, timestamps and durations, if every row group has statistics."""
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
    """Tell whether a column, or a field inside it, may contain a null or an empty list."""
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
    """Give the stored extremes of each row group; None if those of one are unknown."""
    bits: list[int] = []
    filled = (group for group in range(footer.num_row_groups) if footer.row_group(group).num_rows)
    for group in filled:
        found = footer.row_group(group).column(place).statistics
        if found is None or not (found.has_min_max or found.num_values == 0):
            return None
        if found.has_min_max:
            bits += [found.min_raw, found.max_raw]
    return bits or [0]


_ROWS_A_BATCH: Final = 4096
_BATCH_BYTES: Final = 32 << 20
"""About the size of a batch of large rows, before dictionaries are unpacked."""
_MOST_BATCH_BYTES: Final = 1 << 30
"""Largest size of one column in one batch of rows."""


def parquet_schema(file: ManifestFile) -> pa.Schema:
    """Give the columns with the types of their values, their ranges, and the metadata of the file.

    Raises:
        ManifestError: the URL is not text, `image_id` neither text nor integer, or a column cannot be read.
        OSError, pyarrow.ArrowException: the file is not Parquet.
    """
    with store_of(file.path).opened(file.path) as stream:
        parquet = pq.ParquetFile(stream)
        stored = parquet.schema_arrow
        if len(stored) > MOST_COLUMNS:
            return stored  # the caller refuses so many columns
        for field in stored:
            _check_fixed_size_lists(file, field, parquet)
        fields = [pa.field(field.name, plain_type(field.type)) for field in stored]
        schema = pa.schema(with_ranges(fields, parquet.metadata), stored.metadata)
    for field in schema:
        _check_key_type(file, field)
        if flaw := flaw_of_type(field.type):
            raise ManifestError(f"{file.path}: column {field.name!r} is {field.type}, {flaw}")
    return schema


def parquet_records(part: ManifestPart, columns: pa.Schema) -> Iterator[Record]:
    """Stream the rows of a part's row groups, one group after the other.

    Raises:
        OSError, pyarrow.ArrowException, UnicodeDecodeError: the row groups are damaged.
    """
    file, number = part.file, part.first
    with store_of(file.path).opened(file.path) as stream:
        for batch in _batches(stream, part):
            yield from _records(batch, number, file, columns)
            number += len(batch)


def _check_key_type(file: ManifestFile, field: pa.Field) -> None:
    text = _is_text(field.type) or pa.types.is_null(field.type)
    if field.name == file.url_column and not text:
        raise ManifestError(f"{file.path}: column {field.name!r} is {field.type}: URLs must be strings")
    if field.name == ID_COLUMN and not (text or _is_whole(field.type)):
        raise ManifestError(
            f"{file.path}: column {field.name!r} is {field.type}: make it a string or an integer"
        )


def _check_fixed_size_lists(file: ManifestFile, field: pa.Field, parquet: pq.ParquetFile) -> None:
    """Try to read fixed-size lists that may have nulls: pyarrow writes these but cannot read them."""
    if not (_has_fixed_size_lists(field.type) and may_hold_nulls(field.name, parquet.metadata)):
        return
    try:
        for _ in parquet.iter_batches(_ROWS_A_BATCH, columns=[field.name]):
            pass
    except pa.ArrowInvalid as error:
        raise ManifestError(
            f"{file.path}: column {field.name!r} is {field.type} and has a null or an empty list, which "
            "pyarrow cannot read: write it as lists of variable size"
        ) from error


def _has_fixed_size_lists(kind: pa.DataType) -> bool:
    inner = (kind.field(i).type for i in range(kind.num_fields))
    return pa.types.is_fixed_size_list(kind) or any(map(_has_fixed_size_lists, inner))


def _batches(stream: BinaryIO, part: ManifestPart) -> Iterator[pa.RecordBatch]:
    """Read row groups one by one: pyarrow's own loop over several groups gives batches that span two.

    Raises:
        ManifestError: a column unpacks to more than `_MOST_BATCH_BYTES` in one batch.
    """
    names = [part.file.url_column, ID_COLUMN, *part.file.columns.names]
    parquet = pq.ParquetFile(stream)
    packed = [name for name in _swelling_columns(parquet) if name in names]
    if packed:
        parquet = pq.ParquetFile(stream, read_dictionary=packed)
    for group in range(part.start, part.stop or parquet.num_row_groups):
        for batch in parquet.iter_batches(_rows_a_batch(parquet.metadata.row_group(group)), [group], names):
            yield _unpacked(batch, packed, part.file.name)


def _rows_a_batch(group: pq.RowGroupMetaData) -> int:
    """Give as many rows as have few bytes on average, at most `_ROWS_A_BATCH`."""
    return max(1, min(_ROWS_A_BATCH, _BATCH_BYTES * group.num_rows // max(1, group.total_byte_size)))


def _swelling_columns(parquet: pq.ParquetFile) -> set[str]:
    """Name the columns with a dictionary: it stores each value once, so a batch may unpack to any size."""
    metadata = parquet.metadata
    texts = {field.name for field in parquet.schema_arrow if _is_text(plain_type(field.type))}
    chunks = (
        (metadata.row_group(group).column(column), metadata.row_group(group).num_rows)
        for group in range(metadata.num_row_groups)
        for column in range(metadata.num_columns)
    )
    return {
        chunk.path_in_schema
        for chunk, rows in chunks
        if chunk.path_in_schema in texts
        and min(rows, _ROWS_A_BATCH) * chunk.total_uncompressed_size > _MOST_BATCH_BYTES
        and any("DICTIONARY" in encoding for encoding in chunk.encodings)
    }


def _unpacked(batch: pa.RecordBatch, packed: Sequence[str], file: str) -> pa.RecordBatch:
    """Replace dictionaries by their values, after a check of their size."""
    for name in packed:
        column = batch.column(name)
        lengths = pc.binary_length(column.dictionary).cast(pa.int64()).take(column.indices)
        size_bytes = pc.sum(lengths).as_py() or 0
        if size_bytes > _MOST_BATCH_BYTES:
            raise ManifestError(
                f"{file}: column {name!r} unpacks to {size_bytes / 1e9:.1f} GB in {len(batch)} rows, and "
                f"the limit is {_MOST_BATCH_BYTES / 1e9:.1f} GB: delete the column, or shorten its values"
            )
        place = batch.schema.get_field_index(name)
        plain = column.cast(column.type.value_type)
        batch = batch.set_column(place, pa.field(name, plain.type), plain)
    return batch


def _records(batch: pa.RecordBatch, first: int, file: ManifestFile, columns: pa.Schema) -> Iterator[Record]:
    """Turn a batch of n rows into n records."""
    flaws: dict[int, str] = {}
    keys = [_key_values(batch, name) for name in (file.url_column, ID_COLUMN)]
    own = [_own_values(batch, field, flaws) for field in columns]
    for place, (url, image_id, *values) in enumerate(zip(*keys, *own, strict=True)):
        text = "".join([value for value in (url, image_id, *values) if isinstance(value, str)])
        flaw = flaws.get(place) if is_utf8(text) else NOT_UTF8
        yield Record(first + place, url, image_id, tuple(values), flaw)


def _key_values(batch: pa.RecordBatch, name: str) -> list[object]:
    if name not in batch.schema.names:
        return [None] * len(batch)
    keys = batch.column(name)
    keys = keys.cast(plain_type(keys.type))
    if pa.types.is_decimal(keys.type):
        return [None if key is None else int(key) for key in keys.to_pylist()]
    return keys.to_pylist() if pa.types.is_integer(keys.type) else _texts(keys)


def _own_values(batch: pa.RecordBatch, field: pa.Field, flaws: dict[int, str]) -> list[object]:
    """Convert a column to its type in the whole run, and add flaws of rows to `flaws`, by their index."""
    if field.name not in batch.schema.names:
        return [None] * len(batch)
    return _values(batch.column(field.name), field, flaws, 0)


def _values(column: pa.Array, field: pa.Field, flaws: dict[int, str], first: int) -> list[object]:
    """Convert a whole column to Python values; if a value is bad, halve the column until it is found."""
    try:
        values = column.cast(field.type)
        found: list[object] = _texts(values) if _is_unicode(field.type) else values.to_pylist()
    except (OverflowError, ValueError) as error:
        if len(column) == 1:
            flaws[first] = _flaw(field, error)
            return [None]
        half = len(column) // 2
        return [
            *_values(column[:half], field, flaws, first),
            *_values(column[half:], field, flaws, first + half),
        ]
    return found


def _flaw(field: pa.Field, error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return f"has a text that is not UTF-8 in column {field.name!r} ({field.type}): write it as UTF-8"
    return (
        f"has a date or time that is out of range in column {field.name!r} ({field.type}): years must be 1 "
        "to 9999, times of day whole microseconds"
    )


def _texts(values: pa.Array) -> list[object]:
    """Decode strings one by one; bytes that are not UTF-8 become surrogates. Text may be stored as binary."""
    stored = values.cast(pa.large_binary()).to_pylist()
    return [None if value is None else value.decode("utf-8", "surrogateescape") for value in stored]


def _is_unicode(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def _is_text(kind: pa.DataType) -> bool:
    return _is_unicode(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind)


def _is_whole(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or (pa.types.is_decimal(kind) and kind.scale == 0)
