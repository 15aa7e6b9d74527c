"""csv and tsv: a header, then values between delimiters, in quotes where need be (RFC 4180); all strings."""

import re
from collections.abc import Iterator, Sequence
from operator import itemgetter
from typing import Final

import pyarrow as pa

from schemas.image_url import NOT_UTF8, is_utf8
from schemas.manifest_columns import ID_COLUMN
from transforms.manifest_formats.delimited_rows import DELIMITERS, DelimitedRow, delimited_rows
from transforms.manifest_formats.manifest_error import ManifestError
from transforms.manifest_formats.manifest_file import ManifestFile, ManifestPart, Record
from transforms.manifest_formats.recognize import iconv_line

_EMPTY: Final = DelimitedRow(1, [])
_OTHER_DELIMITER: Final = re.compile("[;,|\t]")
_RENAMED: Final = {"\t": ".tsv", ",": ".csv"}


def delimited_schema(file: ManifestFile) -> pa.Schema:
    """Give the header's columns; none where the file is empty.

    Raises:
        ManifestError: the first row is no header.
    """
    number, header, flaw = next(delimited_rows(file), _EMPTY)
    if flaw := flaw or _flaw_of_header(file, header):
        raise ManifestError(f"{file.place(number)}: the header {flaw}")
    return pa.schema([pa.field(name, pa.string()) for name in header])


def check_rows(file: ManifestFile) -> None:
    """Read the whole file, to see that no row's end is in doubt: some two seconds per million rows.

    Raises:
        ManifestError: one is.
    """
    for _ in delimited_rows(file):
        pass


def delimited_records(part: ManifestPart, columns: pa.Schema) -> Iterator[Record]:
    """Stream the rows below the header; blank ones are none."""
    rows = delimited_rows(part.file)
    header = next(rows, _EMPTY).fields
    place = {name: i for i, name in enumerate(header)}
    # -1 is the None appended to each row: the value of a column that only other files have
    wanted = itemgetter(*(place.get(name, -1) for name in (part.file.url_column, ID_COLUMN, *columns.names)))
    for number, fields, flaw in rows:
        text = DELIMITERS[part.file.format].join(fields)
        if flaw is None and len(fields) == len(header):
            url, image_id, *own = wanted([*fields, None])
            yield Record(number, url, image_id, tuple(own), None if is_utf8(text) else NOT_UTF8)
        else:
            flaw = flaw or _wrong_length(fields, header)  # noqa: PLW2901 - read once
            yield Record(number, text.strip(), None, (None,) * len(columns), flaw)


def _flaw_of_header(file: ManifestFile, header: Sequence[str]) -> str | None:
    """Say why a row is no header of this format, and the cure."""
    text = DELIMITERS[file.format].join(header)
    if not is_utf8(text):
        return (
            "is not UTF-8: convert the file from the encoding that it was saved in; for Excel in Western "
            f"Europe with {iconv_line(file, 'cp1252')}"
        )
    if text.lower().startswith("sep="):
        return f"is Excel's {text!r}: delete this line"
    other = _OTHER_DELIMITER.search(text)
    if len(header) != 1 or file.url_column in header or other is None:
        return None
    if ending := _RENAMED.get(other[0]):
        return f"is {text!r}, with the delimiter of {ending}: rename the file to {ending}"
    return f"is {text!r}, with {other[0]!r} between columns: convert the file with {_convert(file, other[0])}"


def _convert(file: ManifestFile, delimiter: str) -> str:
    """Give the shell command that writes a text with the delimiter that its ending promises."""
    code = (
        f"import pandas; pandas.read_csv({file.path!r}, sep={delimiter!r}, dtype=str, keep_default_na=False)"
        f".to_csv('converted.{file.format}', sep={DELIMITERS[file.format]!r}, index=False)"
    )
    return f'python -c "{code}"'


def _wrong_length(fields: Sequence[str], header: Sequence[str]) -> str:
    return (
        f"has {len(fields)} fields, the header has {len(header)}: "
        "put values that hold a delimiter into quotes, fill in what is missing"
    )
