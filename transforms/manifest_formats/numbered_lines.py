"""Stream the lines of a text with their numbers."""

import codecs
from collections.abc import Iterator
from itertools import count
from typing import BinaryIO, Final

from transforms.manifest_formats.manifest_error import ManifestError
from transforms.manifest_formats.manifest_file import ManifestPart
from transforms.manifest_formats.open_manifest import open_text

MAX_LINE_BYTES: Final = 16 << 20
"""Bounds the memory that a file without line ends could take."""


def numbered_lines(part: ManifestPart) -> Iterator[tuple[int, str]]:
    """Stream the lines of a part: number and text with its line end, without a byte order mark.

    Bytes that are not UTF-8 come out as surrogates (`surrogateescape`): one bad line is no reason to stop.

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
            text = line.removeprefix(codecs.BOM_UTF8) if number == 1 else line
            yield number, text.decode("utf-8", "surrogateescape")


def read_line(stream: BinaryIO, part: ManifestPart, number: int) -> bytes:
    """Read a line of bounded length."""
    line = stream.readline(MAX_LINE_BYTES + 1)
    if len(line) > MAX_LINE_BYTES:
        raise ManifestError(
            f"{part.file.place(number)}: a line over 16 MiB: is this a manifest? Look at its line ends"
        )
    return line
