"""Read a file of any format: its columns, its records, and the parts that workers read in parallel."""

from collections.abc import Iterator
from typing import BinaryIO, Final

import pyarrow as pa
import pyarrow.parquet as pq

from facebeam.transforms.files.any_store import store_of
from facebeam.transforms.manifest.delimited import check_rows, delimited_records, delimited_schema
from facebeam.transforms.manifest.json_lines import json_lines_records, json_lines_schema
from facebeam.transforms.manifest.lines import lines_records, lines_schema, read_line
from facebeam.transforms.manifest.manifest_file import (
    UNREADABLE,
    ManifestFile,
    ManifestFormat,
    ManifestPart,
    Record,
    manifest_errors,
    unreadable,
)
from facebeam.transforms.manifest.open_manifest import check_unchanged
from facebeam.transforms.manifest.parquet import parquet_records, parquet_schema


def read_schema(file: ManifestFile) -> pa.Schema:
    """Give all columns of a file; an empty file has none.

    Raises:
        ManifestError: the file cannot be read.
    """
    with manifest_errors(file.path):
        match file.format:
            case ManifestFormat.TXT:
                return lines_schema(file)
            case ManifestFormat.CSV | ManifestFormat.TSV:
                return delimited_schema(file)
            case ManifestFormat.JSONL:
                return json_lines_schema(file)
            case ManifestFormat.PARQUET:
                return parquet_schema(file)


def read_through(file: ManifestFile) -> None:
    """Read a whole csv or tsv before the run, to find quotes that could hide rows.

    Raises:
        ManifestError: it is not clear where rows begin and end, or the file is damaged.
    """
    if file.format in {ManifestFormat.CSV, ManifestFormat.TSV}:
        with manifest_errors(file.path):
            check_rows(file)


def read_records(part: ManifestPart, columns: pa.Schema) -> Iterator[Record]:
    """Stream the records of a part, with values in the order and types of the run's columns.

    Raises:
        ManifestError: the file cannot be read (at the first bad place), or has changed.
    """
    number = part.first - 1
    try:
        for record in _records(part, columns):
            number = record.number
            yield record
    except UNREADABLE as error:
        raise unreadable(f"{part.file.name}, after {part.file.unit} {number}", error) from error
    check_unchanged(part.file)


def _records(part: ManifestPart, columns: pa.Schema) -> Iterator[Record]:
    match part.file.format:
        case ManifestFormat.TXT:
            return lines_records(part, columns)
        case ManifestFormat.CSV | ManifestFormat.TSV:
            return delimited_records(part, columns)
        case ManifestFormat.JSONL:
            return json_lines_records(part, columns)
        case ManifestFormat.PARQUET:
            return parquet_records(part, columns)


PART_BYTES: Final = 16 << 20


def split_manifest(file: ManifestFile, part_bytes: int = PART_BYTES) -> Iterator[ManifestPart]:
    """Split text at line ends and Parquet at row groups, into parts of a little more than `part_bytes`.

    A .gz or csv is one part: no reader can start in the middle, and in a csv a line end may be inside quotes.

    Raises:
        ManifestError: the file cannot be read, or has changed since it was inspected.
    """
    check_unchanged(file)
    with manifest_errors(file.path), store_of(file.path).opened(file.path) as stream:
        if file.most_rows is not None:
            yield ManifestPart(file)
            return
        match file.format:
            case ManifestFormat.PARQUET:
                yield from _row_groups(file, stream, part_bytes)
            case ManifestFormat.TXT | ManifestFormat.JSONL if not file.compressed:
                yield from _lines(file, stream, part_bytes)
            case _:
                yield ManifestPart(file)


def _lines(file: ManifestFile, stream: BinaryIO, part_bytes: int) -> Iterator[ManifestPart]:
    start, number = 0, 1
    while block := stream.read(part_bytes):
        here = ManifestPart(file, start, None, number + block.count(b"\n"))
        rest = read_line(stream, here, here.first)
        stop = start + len(block) + len(rest)
        yield ManifestPart(file, start, stop, number)
        start, number = stop, here.first + rest.count(b"\n")


def _row_groups(file: ManifestFile, stream: BinaryIO, part_bytes: int) -> Iterator[ManifestPart]:
    groups = pq.ParquetFile(stream).metadata
    start, first, row, size_bytes = 0, 1, 1, 0
    for group in range(groups.num_row_groups):
        row += groups.row_group(group).num_rows
        size_bytes += groups.row_group(group).total_byte_size
        if size_bytes >= part_bytes or group == groups.num_row_groups - 1:
            yield ManifestPart(file, start, group + 1, first)
            start, first, size_bytes = group + 1, row, 0
