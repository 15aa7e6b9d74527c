"""Split a manifest's file into parts that workers can read side by side."""

from collections.abc import Iterator
from typing import BinaryIO, Final

import pyarrow.parquet as pq

from transforms.manifest_formats.file_state import check_unchanged
from transforms.manifest_formats.manifest_error import manifest_errors
from transforms.manifest_formats.manifest_file import ManifestFile, ManifestFormat, ManifestPart
from transforms.manifest_formats.numbered_lines import read_line
from transforms.manifest_formats.open_manifest import open_packed

PART_BYTES: Final = 16 << 20


def split_manifest(file: ManifestFile, part_bytes: int = PART_BYTES) -> Iterator[ManifestPart]:
    """Split lines at line ends and Parquet at row groups, into parts of `part_bytes` and a little.

    A .gz cannot be entered in the middle; nor can csv, where a line end may stand inside quotes.

    Raises:
        ManifestError: the file cannot be read, or is not the one that was inspected.
    """
    check_unchanged(file)
    with manifest_errors(file.path), open_packed(file.path) as stream:
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
