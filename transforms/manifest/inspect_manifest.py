"""Check a manifest before the run starts: its files, their formats and their columns.

Only remote files need Beam.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from types import MappingProxyType
from typing import Final

import pyarrow as pa

from facebeam.schemas.manifest_columns import ID_COLUMN, URL_COLUMN, check_column_names, own_columns
from facebeam.schemas.tables import DEAD_LETTERS, RESERVED_COLUMNS
from facebeam.transforms.files.store import FoundFile
from facebeam.transforms.manifest.column_types import unite_columns, with_common_types
from facebeam.transforms.manifest.find_manifests import find_manifests
from facebeam.transforms.manifest.manifest_file import (
    ManifestError,
    ManifestFile,
    ManifestFormat,
    ManifestPart,
    Record,
)
from facebeam.transforms.manifest.read_records import read_records, read_schema, read_through
from facebeam.transforms.manifest.recognize import check_contents, cure_of_ending

__all__ = ["Manifest", "inspect_manifest"]

_TABLE = b"facebeam.table"


@dataclass(frozen=True)
class Manifest:
    """The files of a run's manifest, and their own columns together."""

    files: tuple[ManifestFile, ...]
    columns: pa.Schema
    allow_local_files: bool = False
    """Whether rows may also have paths, file://, gs://, s3:// and hdfs://."""
    largest_draw: int | None = None
    """For a sample: the run skips rows whose draw is larger. None: the run takes all rows."""


def inspect_manifest(
    patterns: Iterable[str],
    url_column: str = URL_COLUMN,
    *,
    allow_local_files: bool = False,
    made_for: Mapping[str, str] = MappingProxyType({}),
) -> Manifest:
    """Find the manifest's files, their formats (by their endings) and their columns.

    This reads a whole jsonl, since each line may have a new column, and a whole csv or tsv, since each quote
    may hide the rows below it. It reads only the beginning of the other formats.

    Args:
        patterns: paths and globs of the files.
        url_column: column of URLs.
        allow_local_files: whether rows may also have paths, file://, gs://, s3:// and hdfs://.
        made_for: path of a file -> what the user named, if the file was written for it.

    Raises:
        ManifestError: a file is missing or unreadable, or its format or a column is not supported.
    """
    found = find_manifests(patterns)
    inspected = [
        replace(_inspect_file(path, state, url_column), made_for=made_for.get(path))
        for path, state in found.items()
    ]
    of_runs = with_common_types([file for file in inspected if _is_of_a_run(file.columns)])
    typed = {file.path: file for file in of_runs}
    files = tuple(typed.get(file.path, file) for file in inspected)
    columns = unite_columns(files)
    if flaw := check_column_names([URL_COLUMN, *columns.names], URL_COLUMN):
        raise ManifestError(f"the manifest (all files together) {flaw}")
    return Manifest(files, columns, allow_local_files)


def _inspect_file(path: str, state: FoundFile, url_column: str) -> ManifestFile:
    manifest_format, compressed = _format_of(path)
    file = ManifestFile(path, manifest_format, compressed, state, url_column, pa.schema([]))
    if compressed and not state.size_bytes:
        raise ManifestError(f"{path}: has 0 bytes, so it is not a .gz: pack it again")
    check_contents(file)
    schema = read_schema(file)
    if _is_of_a_run(schema):
        schema, url_column = _replayed(schema), URL_COLUMN
    _check_columns(file, schema, url_column)
    read_through(file)
    own = [schema.field(name) for name in own_columns(schema.names, url_column)]
    return replace(file, url_column=url_column, columns=pa.schema(own, schema.metadata))


def _is_of_a_run(schema: pa.Schema) -> bool:
    """Tell whether a file has the dead letters of a run; otherwise a user wrote it.

    The columns tell it too: a user who deletes rows with pandas loses the metadata.
    """
    named = (schema.metadata or {}).get(_TABLE) == DEAD_LETTERS.metadata[_TABLE]
    return named or {*DEAD_LETTERS.names} <= {*schema.names}


def _format_of(path: str) -> tuple[ManifestFormat, bool]:
    """Find the format, and whether it is compressed, by the ending, in upper or lower case."""
    stem = path.lower().removesuffix(".gz")
    compressed = len(stem) < len(path)
    ending = stem.rpartition(".")[2]
    others = dict.fromkeys(("ndjson", "json"), ManifestFormat.JSONL)
    known = {str(each): each for each in ManifestFormat} | others
    if ending not in known or (compressed and not known[ending].is_text):
        raise ManifestError(
            f"{path}: unknown ending: a manifest is .txt, .csv, .tsv, .jsonl, .ndjson or .json, each also "
            f".gz, or .parquet; {cure_of_ending(path)}"
        )
    return known[ending], compressed


def _replayed(schema: pa.Schema) -> pa.Schema:
    """Keep the columns of a dead letter file that come from its manifest, without those of the failure."""
    kept = [
        field
        for field in schema
        if field.name in {URL_COLUMN, ID_COLUMN} or field.name not in RESERVED_COLUMNS
    ]
    return pa.schema(kept, schema.metadata)


def _check_columns(file: ManifestFile, schema: pa.Schema, url_column: str) -> None:
    """Refuse names that are not allowed. A text file without columns is empty, and allowed."""
    reason = check_column_names(schema.names, url_column)
    if reason and (schema.names or not file.format.is_text):
        raise ManifestError(f"{file.path}: {reason}")


ROWS: Final = 100_000
"""Rows to check, equally divided among the files: files that each count 1, 2, 3, ... clash at once."""


def ambiguous_id(manifest: Manifest) -> str | None:
    """Say which id names two images, and where; None if no such id is among the first rows.

    A damaged file is not reported here, but by the run itself.
    """
    files = [file for file in manifest.files if file.format is not ManifestFormat.TXT]
    seen: dict[str, tuple[object, str]] = {}
    for file in files:
        for record in _first_records(file, ROWS // len(files)):
            image_id, here = str(record.image_id), file.place(record.number)
            url, place = seen.setdefault(image_id, (record.image_url, here))
            if url != record.image_url:
                return (
                    f"image_id {image_id!r} names two images, in {place} and {here}: the tables contain "
                    "both; give each image its own id"
                )
    return None


def _first_records(file: ManifestFile, rows: int) -> Iterator[Record]:
    """Stream those of the first records that have an id, with URL and id only."""
    with suppress(ManifestError):
        for record in islice(read_records(ManifestPart(file), pa.schema([])), rows):
            if isinstance(record.image_id, str | int) and record.image_id != "" and not record.flaw:
                yield record
