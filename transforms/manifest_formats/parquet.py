"""Parquet: Arrow types are kept, read by row groups, a few thousand rows at a time."""

from collections.abc import Iterator, Sequence
from enum import Enum, auto
from itertools import count
from typing import BinaryIO, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from schemas.image_url import NOT_UTF8, is_utf8
from schemas.manifest_columns import ID_COLUMN
from transforms.manifest_formats.manifest_error import ManifestError
from transforms.manifest_formats.manifest_file import ManifestFile, ManifestPart, Record
from transforms.manifest_formats.open_manifest import open_packed

_ROWS_A_BATCH: Final = 4096
_MOST_BATCH_BYTES: Final = 1 << 30
"""Of one column, in one batch of rows."""


def parquet_schema(file: ManifestFile) -> pa.Schema:
    """Give the columns as their values come out, with the metadata of the file.

    Raises:
        ManifestError: the URL is no text, or `image_id` neither text nor integer.
        OSError, pyarrow.ArrowException: the file is no Parquet.
    """
    with open_packed(file.path) as stream:
        stored = pq.ParquetFile(stream).schema_arrow
    schema = pa.schema([pa.field(field.name, plain_type(field.type)) for field in stored], stored.metadata)
    for field in schema:
        _check_key_type(file, field)
    return schema


def parquet_records(part: ManifestPart, columns: pa.Schema) -> Iterator[Record]:
    """Stream the rows of a part's row groups, one group after the other.

    Raises:
        OSError, pyarrow.ArrowException, UnicodeDecodeError: the row groups are damaged.
    """
    file, number = part.file, part.first
    with open_packed(file.path) as stream:
        for batch in _batches(stream, part):
            yield from _records(batch, number, file, columns)
            number += len(batch)


def plain_type(stored: pa.DataType) -> pa.DataType:
    """Give the type of the values themselves, without dictionary or extension.

    A dictionary's index type holds the values of one file, not of a run.

    >>> plain_type(pa.dictionary(pa.int8(), pa.string()))
    DataType(string)
    """
    if isinstance(stored, pa.BaseExtensionType):
        return plain_type(stored.storage_type)
    return plain_type(stored.value_type) if pa.types.is_dictionary(stored) else stored


def _check_key_type(file: ManifestFile, field: pa.Field) -> None:
    text = _is_text(field.type) or pa.types.is_null(field.type)
    if field.name == file.url_column and not text:
        raise ManifestError(f"{file.path}: column {field.name!r} is {field.type}: a URL is a string")
    if field.name == ID_COLUMN and not (text or pa.types.is_integer(field.type)):
        raise ManifestError(f"{file.path}: column {field.name!r} is {field.type}: make it string or integer")


def _batches(stream: BinaryIO, part: ManifestPart) -> Iterator[pa.RecordBatch]:
    """Read row groups one by one: pyarrow's own loop over several gives batches that span two.

    Raises:
        ManifestError: a few bytes stand for more than the memory of a machine.
    """
    names = [part.file.url_column, ID_COLUMN, *part.file.columns.names]
    parquet = pq.ParquetFile(stream)
    packed = [name for name in _swelling_columns(parquet) if name in names]
    if packed:
        parquet = pq.ParquetFile(stream, read_dictionary=packed)
    for group in range(part.start, part.stop or parquet.num_row_groups):
        for batch in parquet.iter_batches(_ROWS_A_BATCH, [group], names):
            yield _unpacked(batch, packed, part.file.path)


def _swelling_columns(parquet: pq.ParquetFile) -> set[str]:
    """Name the columns that store each value once, so that a batch could unpack to any size."""
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


def _unpacked(batch: pa.RecordBatch, packed: Sequence[str], path: str) -> pa.RecordBatch:
    """Put the values of dictionaries in their places, once it is seen that they have room."""
    for name in packed:
        column = batch.column(name)
        lengths = pc.binary_length(column.dictionary).cast(pa.int64()).take(column.indices)
        size_bytes = pc.sum(lengths).as_py() or 0
        if size_bytes > _MOST_BATCH_BYTES:
            raise ManifestError(
                f"{path}: column {name!r} unpacks to {size_bytes / 1e9:.1f} GB in {len(batch)} rows, and "
                f"at most {_MOST_BATCH_BYTES / 1e9:.1f} GB are read at a time: leave it out, or shorten it"
            )
        place = batch.schema.get_field_index(name)
        plain = column.cast(column.type.value_type)
        batch = batch.set_column(place, pa.field(name, plain.type), plain)
    return batch


def _records(batch: pa.RecordBatch, first: int, file: ManifestFile, columns: pa.Schema) -> Iterator[Record]:
    """Turn a batch of n rows into n records."""
    keys = [_key_values(batch, name) for name in (file.url_column, ID_COLUMN)]
    own = [_own_values(batch, field) for field in columns]
    for number, (url, image_id, *values) in zip(count(first), zip(*keys, *own, strict=True), strict=False):
        text = "".join([value for value in (url, image_id, *values) if isinstance(value, str)])
        flaw = None if is_utf8(text) else NOT_UTF8
        if _Beyond.PYTHON in values:
            flaw = "has a date or time that is out of range: years are 1 to 9999"
            values = [None if value is _Beyond.PYTHON else value for value in values]  # noqa: PLW2901 - read once
        yield Record(number, url, image_id, tuple(values), flaw)


def _key_values(batch: pa.RecordBatch, name: str) -> list[object]:
    if name not in batch.schema.names:
        return [None] * len(batch)
    keys = batch.column(name)
    return keys.to_pylist() if pa.types.is_integer(keys.type) else _texts(keys)


def _own_values(batch: pa.RecordBatch, field: pa.Field) -> list[object]:
    """Bring a column to the type it has in the whole run."""
    if field.name not in batch.schema.names:
        return [None] * len(batch)
    values = batch.column(field.name).cast(field.type)
    return _texts(values) if _is_unicode(field.type) else _objects(values)


class _Beyond(Enum):
    PYTHON = auto()
    """Stands for a value that there is in Parquet only."""


def _objects(values: pa.Array) -> list[object]:
    """Give the values as Python's; whole columns at once, as mostly none is out of range."""
    try:
        found: list[object] = values.to_pylist()
    except UnicodeDecodeError:  # deep inside: it cannot be told from damage
        raise
    except (OverflowError, ValueError):
        return [*map(_object, values)]
    return found


def _object(value: pa.Scalar) -> object:
    try:
        return value.as_py()
    except (OverflowError, ValueError):
        return _Beyond.PYTHON


def _texts(values: pa.Array) -> list[object]:
    """Decode strings one by one; what is not UTF-8 becomes surrogates. Old writers store texts as binary."""
    stored = values.cast(pa.large_binary()).to_pylist()
    return [None if value is None else value.decode("utf-8", "surrogateescape") for value in stored]


def _is_unicode(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def _is_text(kind: pa.DataType) -> bool:
    return _is_unicode(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind)
