"""txt: one URL a line, nothing else."""

from collections.abc import Iterator

import pyarrow as pa

from transforms.manifest_formats.manifest_error import ManifestError
from transforms.manifest_formats.manifest_file import ManifestFile, ManifestPart, Record
from transforms.manifest_formats.numbered_lines import numbered_lines


def lines_schema(file: ManifestFile) -> pa.Schema:
    """Give the one column; the first line is read to see that it is no header.

    Raises:
        ManifestError: it is one.
    """
    _, first = next(numbered_lines(ManifestPart(file)), (1, ""))
    for delimiter, ending in (("\t", ".tsv"), (",", ".csv"), (";", ".csv")):
        names = [name.strip(' "\r\n') for name in first.split(delimiter)]
        if len(names) > 1 and file.url_column in names:
            raise ManifestError(f"{file.place(1)}: is the header of a {ending}: rename the file to {ending}")
    return pa.schema([pa.field(file.url_column, pa.string())])


def lines_records(part: ManifestPart, columns: pa.Schema) -> Iterator[Record]:
    """Stream the URLs; blank lines are none."""
    nothing = (None,) * len(columns)
    for number, line in numbered_lines(part):
        url = line.strip(" \t\r\n")
        if url:
            yield Record(number, url, None, nothing)
