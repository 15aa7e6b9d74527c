"""Read a file of any format: its columns, and its records."""

from collections.abc import Iterator

import pyarrow as pa

from transforms.manifest_formats.delimited import check_rows, delimited_records, delimited_schema
from transforms.manifest_formats.file_state import check_unchanged
from transforms.manifest_formats.json_lines import json_lines_records, json_lines_schema
from transforms.manifest_formats.lines import lines_records, lines_schema
from transforms.manifest_formats.manifest_error import UNREADABLE, manifest_errors, unreadable
from transforms.manifest_formats.manifest_file import ManifestFile, ManifestFormat, ManifestPart, Record
from transforms.manifest_formats.parquet import parquet_records, parquet_schema
from transforms.vendor_errors import vendor_errors


def read_schema(file: ManifestFile) -> pa.Schema:
    """Give all columns of a file; none for an empty one.

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
    """Find before the run what no row of a csv or tsv can be blamed for; the whole file is read for it.

    Raises:
        ManifestError: quotes leave open where rows begin and end, or the file is damaged.
    """
    if file.format in {ManifestFormat.CSV, ManifestFormat.TSV}:
        with manifest_errors(file.path):
            check_rows(file)


def read_records(part: ManifestPart, columns: pa.Schema) -> Iterator[Record]:
    """Stream the records of a part, their values in the order and of the types of the run's columns.

    Raises:
        ManifestError: the file cannot be read, from the first bad place on, or somebody has written to it.
    """
    number = part.first - 1
    try:
        for record in _records(part, columns):
            number = record.number
            yield record
    except (*UNREADABLE, *vendor_errors()) as error:
        raise unreadable(f"{part.file.path}, after {part.file.unit} {number}", error) from error
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
