"""Types of a manifest's own columns, and the type that can hold every value of several files."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Final, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from facebeam.schemas.common_type import common_type, has_wide_integers
from facebeam.transforms.files.any_store import store_of
from facebeam.transforms.manifest.json_lines import JSON_TEXT, is_json, is_json_text, unite_json
from facebeam.transforms.manifest.manifest_file import ManifestError, ManifestFile, manifest_errors
from facebeam.transforms.manifest.value_range import extremes


def plain_type(stored: pa.DataType) -> pa.DataType:  # noqa: PLR0911 - one for each way to nest
    """Give the type of the values themselves, at any depth: without dictionary, extension or view.

    A dictionary has the values of one file, not of all files of a run. A time of day gets microseconds, as
    Python's has.

    >>> plain_type(pa.list_(pa.dictionary(pa.int8(), pa.string_view())))
    ListType(list<item: string>)
    """
    if isinstance(stored, pa.BaseExtensionType):
        return plain_type(stored.storage_type)
    if pa.types.is_dictionary(stored):
        return plain_type(stored.value_type)
    if pa.types.is_struct(stored):
        return pa.struct([_plain_field(field) for field in stored])
    if pa.types.is_map(stored):
        return pa.map_(_plain_field(stored.key_field), _plain_field(stored.item_field), stored.keys_sorted)
    if pa.types.is_fixed_size_list(stored):
        return pa.list_(_plain_field(stored.value_field), stored.list_size)
    if pa.types.is_list(stored):
        return pa.list_(_plain_field(stored.value_field))
    if pa.types.is_large_list(stored):
        return pa.large_list(_plain_field(stored.value_field))
    return _PLAIN.get(stored, stored)


def flaw_of_type(plain: pa.DataType) -> str | None:
    """Say why facebeam or Spark cannot read values of a type, and the cure; None for nearly every type."""
    if pa.types.is_struct(plain) and len({field.name.lower() for field in plain}) < plain.num_fields:
        return (
            "which has two fields with the same name, or names that differ only in case: rename one of them"
        )
    try:
        pa.array([], plain)
        if pa.types.is_timestamp(plain):
            pa.scalar(0, plain).as_py()
    except KeyError:
        return "whose time zone is unknown on this machine: write the column in UTC"
    except pa.ArrowNotImplementedError:
        return "which facebeam cannot write: convert the column to another type"
    flaws = (flaw_of_type(plain.field(i).type) for i in range(plain.num_fields))
    return next((flaw for flaw in flaws if flaw), None)


def _plain_field(stored: pa.Field) -> pa.Field:
    return stored.with_type(plain_type(stored.type))


_PLAIN: Final = {
    pa.string_view(): pa.string(),
    pa.binary_view(): pa.binary(),
    pa.time64("ns"): pa.time64("us"),
}


def keeps_values(column: pa.Field, kind: pa.DataType) -> bool:
    """Tell whether each value of a file's column stays equal when it is stored as type `kind`.

    Args:
        column: the column of the file, with the range of its values if it is known.
        kind: the common type of this column and others, by Arrow's permissive promotion.
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
        return whole or pa.types.is_floating(stored)  # a decimal such as 0.1 has no equal float
    if pa.types.is_integer(stored) or pa.types.is_timestamp(stored) or pa.types.is_duration(stored):
        return _come_back(extremes(column), kind)
    return True  # texts, dates, times of day and decimals: Arrow only widens them


def _children(stored: pa.DataType, kind: pa.DataType) -> Iterator[tuple[pa.Field, pa.DataType]]:
    """Pair the fields of a struct by name, and those of a list or map by position."""
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


class _Column(NamedTuple):
    path: str
    field: pa.Field


def unite_columns(files: Iterable[ManifestFile]) -> pa.Schema:
    """Give the own columns of all files, in the order in which they first appear.

    Several jsonl files count as one file. Arrow's permissive promotion gives the common type (int and float:
    float, string and large string: large string), if each value of each file stays equal in it. A column
    without any value is a string.

    Raises:
        ManifestError: no type can hold the values of two files.
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
    """Give the type that can hold the values of all columns; None if there is no such type."""
    try:
        schemas = [pa.schema([field]) for _, field in columns]
        kind = pa.unify_schemas(schemas, promote_options="permissive").field(0).type
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return None
    is_common = flaw_of_type(kind) is None and all(keeps_values(field, kind) for _, field in columns)
    return kind if is_common else None


def _clash(columns: Sequence[_Column]) -> ManifestError:
    distinct = {(column.field.type, str(column.field.metadata)): column for column in reversed(columns)}
    pairs = list(combinations(reversed(distinct.values()), 2))
    one, other = next((pair for pair in pairs if _common_type(pair) is None), pairs[0])
    return ManifestError(
        f"column {one.field.name!r} is {one.field.type} in {one.path} but {other.field.type} in "
        f"{other.path}, and no type holds the values of both: give it one type, or run the files one by one"
    )


def with_common_types(files: Sequence[ManifestFile]) -> list[ManifestFile]:
    """Give the own columns of several runs' dead letters common types; string if no other type holds all.

    A change of a column's type between two runs must not prevent a replay of both.

    Raises:
        ManifestError: a file cannot be read, or a column has lists or structs in one run only.
    """
    found: dict[str, dict[pa.DataType, str]] = {}
    for file in files:
        for field in file.columns:
            found.setdefault(field.name, {}).setdefault(field.type, file.path)
    types = {name: _replayed_type(name, paths, files) for name, paths in found.items()}
    return [
        replace(file, columns=pa.schema([(name, types[name]) for name in file.columns.names]))
        for file in files
    ]


def _replayed_type(name: str, paths: dict[pa.DataType, str], files: Sequence[ManifestFile]) -> pa.DataType:
    common = common_type(paths, lambda: has_wide_integers(_footers(files), name))
    nested = next(filter(pa.types.is_nested, paths), None)
    if nested is not None and common == pa.string():
        other = next(kind for kind in paths if kind != nested)
        raise ManifestError(
            f"column {name!r} is {nested} in {paths[nested]} but {other} in {paths[other]}: replay one run "
            "at a time, with --run ID"
        )
    return common


def _footers(files: Sequence[ManifestFile]) -> Iterator[pq.FileMetaData]:
    for file in files:
        with manifest_errors(file.path), store_of(file.path).opened(file.path) as stream:
            yield pq.read_metadata(stream)
