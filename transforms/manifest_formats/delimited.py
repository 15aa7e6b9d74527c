"""csv and tsv: a header, then values between delimiters, in quotes where need be (RFC 4180); all strings."""

import csv
from collections.abc import Iterator
from operator import itemgetter
from typing import Final

import pyarrow as pa

from schemas.image_url import NOT_UTF8, is_utf8
from schemas.manifest_columns import ID_COLUMN
from transforms.manifest_formats.manifest_error import ManifestError
from transforms.manifest_formats.manifest_file import ManifestFile, ManifestFormat, ManifestPart, Record
from transforms.manifest_formats.numbered_lines import MAX_LINE_BYTES, numbered_lines

_DELIMITER: Final = {ManifestFormat.CSV: ",", ManifestFormat.TSV: "\t"}


def delimited_schema(file: ManifestFile) -> pa.Schema:
    """Give the header's columns; none where the file is empty."""
    _, header = next(_rows(file), (0, []))
    return pa.schema([pa.field(name, pa.string()) for name in header])


def delimited_records(part: ManifestPart, columns: pa.Schema) -> Iterator[Record]:
    """Stream the rows below the header; blank lines are none."""
    rows = _rows(part.file)
    _, header = next(rows, (0, []))
    place = {name: i for i, name in enumerate(header)}
    # -1 is the None appended to each row: the value of a column that only other files have
    wanted = itemgetter(*(place.get(name, -1) for name in (part.file.url_column, ID_COLUMN, *columns.names)))
    for number, fields in rows:
        text = _DELIMITER[part.file.format].join(fields)
        if len(fields) == len(header):
            url, image_id, *own = wanted([*fields, None])
            yield Record(number, url, image_id, tuple(own), None if is_utf8(text) else NOT_UTF8)
        else:
            yield Record(number, text, None, (None,) * len(columns), _wrong_length(fields, header))


def _rows(file: ManifestFile) -> Iterator[tuple[int, list[str]]]:
    """Stream the fields of each row, with the number of the line where it begins."""
    csv.field_size_limit(MAX_LINE_BYTES)
    lines = (line for _, line in numbered_lines(ManifestPart(file)))
    reader = csv.reader(lines, delimiter=_DELIMITER[file.format], strict=True)
    number = 1
    try:
        for fields in reader:
            if fields:
                yield number, fields
            number = reader.line_num + 1
    except csv.Error as error:
        raise ManifestError(
            f"{file.place(number)}: the row that begins here is broken ({error}): "
            'close every quote, write a quote inside quotes twice (""), end lines with \\n or \\r\\n'
        ) from error


def _wrong_length(fields: list[str], header: list[str]) -> str:
    return (
        f"has {len(fields)} fields, the header has {len(header)}: "
        "put values that hold a delimiter into quotes, fill in what is missing"
    )
