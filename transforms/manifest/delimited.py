"""Manifests in csv and tsv: their rows, if the quotes show clearly where each row ends, and records."""

import csv
import re
from collections.abc import Iterator, Sequence
from operator import itemgetter
from typing import Final, NamedTuple

import pyarrow as pa

from facebeam.schemas.image_url import NOT_UTF8, is_utf8
from facebeam.schemas.manifest_columns import ID_COLUMN
from facebeam.transforms.manifest.find_manifests import is_image
from facebeam.transforms.manifest.lines import MAX_LINE_BYTES, numbered_lines
from facebeam.transforms.manifest.manifest_file import (
    ManifestError,
    ManifestFile,
    ManifestFormat,
    ManifestPart,
    Record,
)
from facebeam.transforms.manifest.recognize import iconv_line

DELIMITERS: Final = {ManifestFormat.CSV: ",", ManifestFormat.TSV: "\t"}
_BETWEEN: Final = {ManifestFormat.CSV: ", ", ManifestFormat.TSV: "\t"}
"""What stands between the fields of a broken row in its dead letter.

A URL may contain a comma but no space, so a replay does not take the whole row for a URL."""

_URL: Final = re.compile(r"\w+://")
_BLANK: Final = re.compile(r"\s")


class DelimitedRow(NamedTuple):
    """The header, or a row below it."""

    number: int
    """Line on which it begins, 1-based."""
    fields: Sequence[str]
    flaw: str | None = None
    """Why it cannot be divided into fields, and the cure; `fields` then has its whole text."""


def delimited_rows(file: ManifestFile) -> Iterator[DelimitedRow]:
    """Stream the header and the rows below it, without blank lines and rows without any text.

    If wrong quotes come in pairs on one line, only this row has a flaw: the next line is a new row.

    Raises:
        ManifestError: it is not clear where a row ends; further rows could be lost inside it.
    """
    csv.field_size_limit(MAX_LINE_BYTES)
    taken: list[str] = []
    reader = csv.reader(_noted(file, taken), delimiter=DELIMITERS[file.format], strict=True)
    header: Sequence[str] = ()
    while True:
        taken.clear()
        number = reader.line_num + 1
        try:
            fields = next(reader, None)
        except csv.Error as error:  # the reader has dropped this row, and starts again with the next line
            yield DelimitedRow(number, ["".join(taken)], _flaw(file, number, taken, error))
            continue
        if fields is None:
            return
        if len(taken) > 1 or '\\"' in taken[0]:
            _check_end(file, number, taken, fields, header)
        if any(map(str.strip, fields)):
            header = header or fields
            yield DelimitedRow(number, fields)


def _noted(file: ManifestFile, taken: list[str]) -> Iterator[str]:
    """Stream the lines of a file, and add each one to `taken`, the lines of the current row."""
    for _, line in numbered_lines(ManifestPart(file)):
        taken.append(line)
        yield line


def _flaw(file: ManifestFile, number: int, taken: Sequence[str], error: csv.Error) -> str:
    if '\\"' in "".join(taken):
        raise _backslashes(file, number)
    if len(taken) > 1 or taken[0].count('"') % 2:
        raise ManifestError(
            f"{file.place(number)}: the row that begins here is broken ({error}), and its end is not "
            'clear: close every quote, and write a quote inside quotes twice ("")'
        )
    return f'is broken ({error}): write a quote inside quotes twice (""), end lines with \\n or \\r\\n'


def _check_end(
    file: ManifestFile, number: int, taken: Sequence[str], fields: Sequence[str], header: Sequence[str]
) -> None:
    """Refuse a row whose further lines look like rows, or whose quotes are escaped with a backslash."""
    if '\\"' in "".join(taken) and _differs_with_escapes(file, taken, fields):
        raise _backslashes(file, number)
    inside = [line for line in taken[1:] if line.strip()]
    rows = sum(_looks_like_row(line, file, header) for line in inside)
    if rows and rows >= len(inside) / 2:
        raise ManifestError(
            f"{file.place(number)}: a quote that opens in this row contains the next {len(taken) - 1} lines, "
            "which look like rows: close the quote, or write texts of several lines as .jsonl or .parquet"
        )


def _differs_with_escapes(file: ManifestFile, taken: Sequence[str], fields: Sequence[str]) -> bool:
    reader = csv.reader(taken, delimiter=DELIMITERS[file.format], strict=True, escapechar="\\")
    try:
        escaped = next(reader)
    except csv.Error:  # then the backslash is part of the text, as in "C:\"
        return False
    return (len(escaped), reader.line_num) != (len(fields), len(taken))


def _looks_like_row(line: str, file: ManifestFile, header: Sequence[str]) -> bool:
    """Tell whether a line on its own would be a row with a URL or the name of an image file."""
    if file.url_column not in header:
        return False
    try:
        fields = next(csv.reader([line], delimiter=DELIMITERS[file.format]))
    except csv.Error:
        return False
    if len(fields) != len(header):
        return False
    image = fields[header.index(file.url_column)].strip()
    return bool(_URL.match(image)) or (is_image(image) and not _BLANK.search(image))


def _backslashes(file: ManifestFile, number: int) -> ManifestError:
    return ManifestError(
        f'{file.place(number)}: a quote is escaped with a backslash (\\"), as Spark and MySQL do: write '
        'the quote twice (""), with .option("escape", \'"\') in Spark, ESCAPED BY \'"\' in MySQL'
    )


_EMPTY: Final = DelimitedRow(1, [])
_OTHER_DELIMITER: Final = re.compile("[;,|\t]")
_RENAMED: Final = {"\t": ".tsv", ",": ".csv"}


def delimited_schema(file: ManifestFile) -> pa.Schema:
    """Give the columns of the header; an empty file has none.

    Raises:
        ManifestError: the first row is not a header.
    """
    number, header, flaw = next(delimited_rows(file), _EMPTY)
    if flaw := flaw or _flaw_of_header(file, header):
        raise ManifestError(f"{file.place(number)}: the header {flaw}")
    return pa.schema([pa.field(name, pa.string()) for name in header])


def check_rows(file: ManifestFile) -> None:
    """Read the whole file to check that each row's end is clear: about two seconds per million rows.

    Raises:
        ManifestError: the end of a row is not clear.
    """
    for _ in delimited_rows(file):
        pass


def delimited_records(part: ManifestPart, columns: pa.Schema) -> Iterator[Record]:
    """Stream the rows below the header as records, without blank rows."""
    rows = delimited_rows(part.file)
    header = next(rows, _EMPTY).fields
    place = {name: i for i, name in enumerate(header)}
    # -1 is the None at the end of each row: the value of a column that only other files have
    wanted = itemgetter(*(place.get(name, -1) for name in (part.file.url_column, ID_COLUMN, *columns.names)))
    for number, fields, flaw in rows:
        text = _BETWEEN[part.file.format].join(fields)
        if flaw is None and len(fields) == len(header):
            url, image_id, *own = wanted([*fields, None])
            yield Record(number, url, image_id, tuple(own), None if is_utf8(text) else NOT_UTF8)
        else:
            flaw = flaw or _wrong_length(fields, header)  # noqa: PLW2901 - read once
            yield Record(number, text.strip(), None, (None,) * len(columns), flaw)


def _flaw_of_header(file: ManifestFile, header: Sequence[str]) -> str | None:
    """Say why a row is not a header of this format, and the cure; None if it is one."""
    text = DELIMITERS[file.format].join(header)
    if not is_utf8(text):
        return (
            "is not UTF-8: convert the file from the encoding that it was saved in; for Excel in Western "
            f"Europe with {iconv_line(file, 'cp1252')}"
        )
    if text.lower().startswith("sep="):
        return f"is Excel's {text!r}: delete this line"
    if text.startswith("#") and file.url_column not in text:
        return f"is {text[:80]!r}, which looks like a comment: delete all comment lines"
    if file.url_column not in header and any(map(_URL.match, header)):
        return (
            "is a row, since it has a URL: write the names of the columns above it, with "
            f"{file.url_column} above the URLs; or rename the file to .txt if it lists only URLs"
        )
    return None if len(header) != 1 or file.url_column in header else _other_delimiter(file, text)


def _other_delimiter(file: ManifestFile, text: str) -> str | None:
    other = _OTHER_DELIMITER.search(text)
    if other is None:
        return None
    if ending := _RENAMED.get(other[0]):
        return f"is {text!r}, with the delimiter of {ending}: rename the file to {ending}"
    return f"is {text!r}, with {other[0]!r} between columns: convert the file with {_convert(file, other[0])}"


def _convert(file: ManifestFile, delimiter: str) -> str:
    """Give the shell command that rewrites a file with the delimiter of its ending."""
    code = (
        f"import pandas; pandas.read_csv({file.path!r}, sep={delimiter!r}, dtype=str, keep_default_na=False)"
        f".to_csv('converted.{file.format}', sep={DELIMITERS[file.format]!r}, index=False)"
    )
    return f'python -c "{code}"'


def _wrong_length(fields: Sequence[str], header: Sequence[str]) -> str:
    return (
        f"has {len(fields)} field{'s'[: len(fields) != 1]}, the header has {len(header)}: "
        "put values that contain a delimiter into quotes, and fill in missing values"
    )
