"""Stream the rows of a csv or tsv, as long as its quotes leave no doubt where a row ends."""

import csv
import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from transforms.manifest_formats.manifest_error import ManifestError
from transforms.manifest_formats.manifest_file import ManifestFile, ManifestFormat, ManifestPart
from transforms.manifest_formats.numbered_lines import MAX_LINE_BYTES, numbered_lines

DELIMITERS: Final = {ManifestFormat.CSV: ",", ManifestFormat.TSV: "\t"}

_IMAGE: Final = re.compile(r"\w+://|\S+\.(avif|bmp|gif|heic|jpe?g|png|tiff?|webp)\s*$", re.IGNORECASE)


class DelimitedRow(NamedTuple):
    """The header, or a row below it."""

    number: int
    """Line where it begins, 1-based."""
    fields: Sequence[str]
    flaw: str | None = None
    """Why it cannot be divided into fields, and the cure; `fields` then holds its text."""


def delimited_rows(file: ManifestFile) -> Iterator[DelimitedRow]:
    """Stream the header and the rows below it. A row without any text is skipped, as a blank line is.

    A row with wrong quotes is flawed where they come in pairs on its one line: the next line is a new row.

    Raises:
        ManifestError: the row's end is in doubt: read on, and other rows could be lost inside it.
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
        except csv.Error as error:  # the reader has taken the line, and begins anew with the next one
            yield DelimitedRow(number, ["".join(taken)], _flaw(file, number, taken, error))
            continue
        if fields is None:
            return
        if len(taken) > 1 or '\\"' in taken[0]:
            _check_end(file, number, taken, fields, header)
        if any(fields):
            header = header or fields
            yield DelimitedRow(number, fields)


def _noted(file: ManifestFile, taken: list[str]) -> Iterator[str]:
    """Stream the lines of a file, and note those that belong to the row under way."""
    for _, line in numbered_lines(ManifestPart(file)):
        taken.append(line)
        yield line


def _flaw(file: ManifestFile, number: int, taken: Sequence[str], error: csv.Error) -> str:
    if '\\"' in "".join(taken):
        raise _backslashes(file, number)
    if len(taken) > 1 or taken[0].count('"') % 2:
        raise ManifestError(
            f"{file.place(number)}: the row that begins here is broken ({error}), and where it ends is "
            'unknown: close every quote, and write a quote inside quotes twice ("")'
        )
    return f'is broken ({error}): write a quote inside quotes twice (""), end lines with \\n or \\r\\n'


def _check_end(
    file: ManifestFile, number: int, taken: Sequence[str], fields: Sequence[str], header: Sequence[str]
) -> None:
    """Doubt a row of several lines, or with a backslash before a quote."""
    if '\\"' in "".join(taken) and _differs_with_escapes(file, taken, fields):
        raise _backslashes(file, number)
    inside = [line for line in taken[1:] if line.strip()]
    rows = sum(_looks_like_row(line, file, header) for line in inside)
    if rows and rows >= len(inside) / 2:
        raise ManifestError(
            f"{file.place(number)}: a quote that opens in this row takes in the next {len(taken) - 1} lines, "
            "which look like rows: close the quote, or write such texts as .jsonl or .parquet"
        )


def _differs_with_escapes(file: ManifestFile, taken: Sequence[str], fields: Sequence[str]) -> bool:
    reader = csv.reader(taken, delimiter=DELIMITERS[file.format], strict=True, escapechar="\\")
    try:
        escaped = next(reader)
    except csv.Error:  # then these are backslashes like any other, as in "C:\"
        return False
    return (len(escaped), reader.line_num) != (len(fields), len(taken))


def _looks_like_row(line: str, file: ManifestFile, header: Sequence[str]) -> bool:
    """Tell whether a line alone would be a row with a URL, or the name of an image."""
    if file.url_column not in header:
        return False
    try:
        fields = next(csv.reader([line], delimiter=DELIMITERS[file.format]))
    except csv.Error:
        return False
    return len(fields) == len(header) and bool(_IMAGE.match(fields[header.index(file.url_column)].strip()))


def _backslashes(file: ManifestFile, number: int) -> ManifestError:
    return ManifestError(
        f'{file.place(number)}: a backslash stands before a quote (\\"), as Spark and MySQL write it: write '
        'the quote twice (""), with .option("escape", \'"\') in Spark, ESCAPED BY \'"\' in MySQL'
    )
