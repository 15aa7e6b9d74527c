"""A file of a manifest, a record in it, and the error for a file that cannot be used."""

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum, auto
from gzip import BadGzipFile
from typing import Final, NamedTuple

import pyarrow as pa

from facebeam.schemas.errors import RunError
from facebeam.transforms.files.store import FoundFile

UNREADABLE: Final = (OSError, EOFError, zlib.error, pa.ArrowException, UnicodeDecodeError)
"""Errors of opening and reading files (Beam's BeamIOError is an OSError), gzip and Parquet."""


class ManifestError(RunError):
    """The run ends before the first image. The message is one line with the path, the rule and the cure."""


def unreadable(place: str, error: Exception) -> ManifestError:
    """Translate an error of `UNREADABLE`."""
    detail = " ".join(str(error).split())[:300]
    return ManifestError(f"{place}: cannot be read ({detail}): {_cure(error)}")


@contextmanager
def manifest_errors(place: str) -> Iterator[None]:
    """Translate the errors of opening and reading.

    Raises:
        ManifestError: instead of any of `UNREADABLE`.
    """
    try:
        yield
    except UNREADABLE as error:
        raise unreadable(place, error) from error


def _cure(error: Exception) -> str:
    match error:
        case BadGzipFile() | EOFError() | zlib.error():
            return "the .gz is damaged or cut short; copy it again, and check it with `gzip -t`"
        case FileNotFoundError():
            return "there is no such file; check --manifest"
        case PermissionError():
            return "this user has no right to read it"
        case OSError(errno=int()):
            return "check the path and the disk"
        case _:
            return "the file is damaged, cut short, or not what its ending says; write it again"


class ManifestFormat(StrEnum):
    """The format of a manifest; its value is the ending."""

    TXT = auto()
    CSV = auto()
    TSV = auto()
    JSONL = auto()
    PARQUET = auto()

    @property
    def is_text(self) -> bool:
        """Whether files of this format have lines, and may be compressed with gzip."""
        return self is not ManifestFormat.PARQUET


@dataclass(frozen=True)
class ManifestFile:
    """One file of a manifest, as it was before the run started."""

    path: str
    format: ManifestFormat
    compressed: bool
    state: FoundFile
    url_column: str
    columns: pa.Schema
    """The file's own columns: all except the URL column and `image_id`."""
    most_rows: int | None = None
    """Number of first rows to take; the file is then one part. None: all rows."""
    made_for: str | None = None
    """What the user named, such as a folder of images, if this file was written for it. None: the file."""

    @property
    def name(self) -> str:
        """What messages and the run's record call the file: a file that was made is deleted after the run."""
        return self.made_for or self.path

    @property
    def unit(self) -> str:
        """The unit of `number` in `place`: line in a text, row in a table such as Parquet."""
        return "line" if self.format.is_text else "row"

    def place(self, number: int) -> str:
        """Name a line or row of the file, for messages.

        Examples: `photos.csv:17`, `photos.parquet, row 17`.
        """
        return f"{self.name}:{number}" if self.unit == "line" else f"{self.name}, row {number}"


@dataclass(frozen=True)
class ManifestPart:
    """What one worker reads: bytes `start` to `stop` of a text, row groups `start` to `stop` of Parquet."""

    file: ManifestFile
    start: int = 0
    stop: int | None = None
    """None: to the end."""
    first: int = 1
    """Number of the part's first line or row, 1-based."""


class Record(NamedTuple):
    """One entry of a file, before its URL and id are checked."""

    number: int
    """Line on which it begins, or row in Parquet, 1-based."""
    image_url: object
    image_id: object
    columns: tuple[object, ...]
    """In the order of the run's columns."""
    flaw: str | None = None
    """Why it is not valid in this format, and the cure; `image_url` is then its whole text."""
