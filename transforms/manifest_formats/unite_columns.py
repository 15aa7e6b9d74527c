"""Put the columns of several files together, without changing a value."""

from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import NamedTuple

import pyarrow as pa

from transforms.manifest_formats.json_column_types import JSON_TEXT, is_json, is_json_text, unite_json
from transforms.manifest_formats.keeps_values import keeps_values
from transforms.manifest_formats.manifest_error import ManifestError
from transforms.manifest_formats.manifest_file import ManifestFile


class _Column(NamedTuple):
    path: str
    field: pa.Field


def unite_columns(files: Iterable[ManifestFile]) -> pa.Schema:
    """Give the own columns of all files, in the order in which they are first seen.

    Several jsonl files are taken as one. Types grow as far as Arrow's permissive promotion goes (int to
    float, string to large string), if each value of each file can be read back from the grown type. A column
    without any value is a string.

    Raises:
        ManifestError: no type holds the values of two files.
    """
    columns: dict[str, list[_Column]] = {}
    for file in files:
        for field in file.columns:
            columns.setdefault(field.name, []).append(_Column(file.path, field))
    return pa.schema([_unite(found) for found in columns.values()])


def _unite(found: Sequence[_Column]) -> pa.Field:
    of_json = [column.field for column in found if is_json(column.field)]
    as_one = unite_json(of_json) if of_json else None
    columns = [_Column(path, as_one if is_json(field) else field) for path, field in found]
    kind = _common_type(columns)
    if kind is None:
        raise _clash(columns)
    field = found[0].field.with_type(pa.string() if pa.types.is_null(kind) else kind)
    only_json_text = len(of_json) == len(found) and as_one is not None and is_json_text(as_one)
    return field.with_metadata(JSON_TEXT) if only_json_text else field.remove_metadata()


def _common_type(columns: Sequence[_Column]) -> pa.DataType | None:
    """Give the type that holds the values of all columns; None where there is none."""
    try:
        schemas = [pa.schema([field]) for _, field in columns]
        kind = pa.unify_schemas(schemas, promote_options="permissive").field(0).type
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return None
    return kind if all(keeps_values(field, kind) for _, field in columns) else None


def _clash(columns: Sequence[_Column]) -> ManifestError:
    distinct = {(column.field.type, str(column.field.metadata)): column for column in reversed(columns)}
    pairs = list(combinations(reversed(distinct.values()), 2))
    one, other = next((pair for pair in pairs if _common_type(pair) is None), pairs[0])
    return ManifestError(
        f"column {one.field.name!r} is {one.field.type} in {one.path} but {other.field.type} in "
        f"{other.path}, and no type holds the values of both: give it one type, or run the files one by one"
    )
