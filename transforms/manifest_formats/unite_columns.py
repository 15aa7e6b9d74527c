"""Put the columns of several files together."""

from collections.abc import Iterable

import pyarrow as pa

from transforms.manifest_formats.manifest_error import ManifestError
from transforms.manifest_formats.manifest_file import ManifestFile


def unite_columns(files: Iterable[ManifestFile]) -> pa.Schema:
    """Give the own columns of all files, in the order in which they are first seen.

    Types grow as far as Arrow's permissive promotion goes (int to float, string to large string); a column
    without any value is a string.

    Raises:
        ManifestError: two files give a column types that have none in common.
    """
    united: dict[str, tuple[pa.Field, str]] = {}
    for file in files:
        for field in file.columns:
            known, owner = united.get(field.name, (field, file.path))
            united[field.name] = (_unite(known, owner, field, file.path), owner)
    return pa.schema([_with_type(field) for field, _ in united.values()])


def _unite(known: pa.Field, owner: str, field: pa.Field, path: str) -> pa.Field:
    schemas = [pa.schema([known]), pa.schema([field])]
    try:
        return pa.unify_schemas(schemas, promote_options="permissive").field(0)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise ManifestError(
            f"column {field.name!r} is {known.type} in {owner} but {field.type} in {path}: "
            "give it one type, or run the files one by one"
        ) from error


def _with_type(field: pa.Field) -> pa.Field:
    return field.with_type(pa.string()) if pa.types.is_null(field.type) else field
