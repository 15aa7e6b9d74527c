"""Manifests of URLs, one per line; and the numbered lines that all text formats use."""

from collections.abc import Iterator
from itertools import count
from typing import BinaryIO, Final

import pyarrow as pa

from facebeam.transforms.manifest.manifest_file import ManifestError, ManifestFile, ManifestPart, Record
from facebeam.transforms.manifest.open_manifest import open_text

MAX_LINE_BYTES: Final = 16 << 20
"""Limits the memory for a file without line ends."""


def numbered_lines(part: ManifestPart) -> Iterator[tuple[int, str]]:
    """Stream the lines of a part: number, and text with its line end but without a byte order mark.

    A file that was saved as UTF-8 with a mark several times has several.

    Bytes that are not UTF-8 become surrogates (`surrogateescape`), so that a bad line does not stop the run.

    Raises:
        ManifestError: a line over 16 MiB.
        OSError, EOFError, zlib.error: the file cannot be read.
    """
    with open_text(part.file) as stream:
        stream.seek(part.start)
        position = part.start
        for number in count(part.first):
            line = b"" if position == part.stop else read_line(stream, part, number)
            if not line:
                break
            position += len(line)
            text = line.decode("utf-8", "surrogateescape")
            yield number, text.lstrip("\ufeff") if number == 1 else text


def read_line(stream: BinaryIO, part: ManifestPart, number: int) -> bytes:
    """Read a line; raises ManifestError if it is too long."""
    line = stream.readline(MAX_LINE_BYTES + 1)
    if len(line) > MAX_LINE_BYTES:
        raise ManifestError(
            f"{part.file.place(number)}: a line over 16 MiB: check that this is a manifest with line ends"
        )
    return line


def lines_schema(file: ManifestFile) -> pa.Schema:
    """Give the one column of a .txt, after a check that its first line is not a header.

    Raises:
        ManifestError: the first line is the header of another format.
    """
    _, first = next(numbered_lines(ManifestPart(file)), (1, ""))
    for delimiter, ending in (("\t", ".tsv"), (",", ".csv"), (";", ".csv")):
        names = [name.strip(' "\r\n') for name in first.split(delimiter)]
        if len(names) > 1 and file.url_column in names:
            raise ManifestError(f"{file.place(1)}: is the header of a {ending}: rename the file to {ending}")
    return pa.schema([pa.field(file.url_column, pa.string())])


def lines_records(part: ManifestPart, columns: pa.Schema) -> Iterator[Record]:
    """Stream the URLs as records, without blank lines."""
    nothing = (None,) * len(columns)
    for number, line in numbered_lines(part):
        url = line.strip(" \t\r\n")
        if url:
            yield Record(number, url, None, nothing)
