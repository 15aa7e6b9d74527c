"""One type per column for the rows of several runs that are run again together."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq

from schemas.common_type import common_type, has_wide_integers
from transforms.manifest_formats.manifest_error import ManifestError, manifest_errors
from transforms.manifest_formats.manifest_file import ManifestFile
from transforms.manifest_formats.open_manifest import open_packed


def with_common_types(files: Sequence[ManifestFile]) -> list[ManifestFile]:
    """Widen the own columns of runs' files until they go together: to text, where nothing else holds all.

    A run's types were right when it ran. A later change must not keep its rows from being run again.

    Raises:
        ManifestError: a file cannot be read, or a column holds lists or structs in one run only.
    """
    found: dict[str, dict[pa.DataType, str]] = {}
    for file in files:
        for field in file.columns:
            found.setdefault(field.name, {}).setdefault(field.type, file.path)
    types = {name: _common_type(name, paths, files) for name, paths in found.items()}
    return [
        replace(file, columns=pa.schema([(name, types[name]) for name in file.columns.names]))
        for file in files
    ]


def _common_type(name: str, paths: dict[pa.DataType, str], files: Sequence[ManifestFile]) -> pa.DataType:
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
        with manifest_errors(file.path), open_packed(file.path) as stream:
            yield pq.read_metadata(stream)
