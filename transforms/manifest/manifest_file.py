"""A file of a manifest, a record of it, and the error of a file that cannot be used."""

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
"""What opening and reading raise: files (Beam's BeamIOError is an OSError), gzip, Parquet."""


class ManifestError(RunError):
    """End the run before the first image is asked for: one line with the path, the rule and the cure."""


def unreadable(place: str, error: Exception) -> ManifestError:
    """Translate one of `UNREADABLE`."""
    detail = " ".join(str(error).split())[:300]
    return ManifestError(f"{place}: cannot be read ({detail}): {_cure(error)}")


@contextmanager
def manifest_errors(place: str) -> Iterator[None]:
    """Translate what opening and reading raise.

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
            return "the .gz is damaged or cut short; copy it again until `gzip -t` is content"
        case FileNotFoundError():
            return "there is no such file; check --manifest"
        case PermissionError():
            return "the right to read it is missing"
        case OSError(errno=int()):
            return "check the path and the disk"
        case _:
            return "the file is damaged, cut short, or not what its ending says; write it again"


class ManifestFormat(StrEnum):
    """How a manifest is written; the file's ending."""

    TXT = auto()
    CSV = auto()
    TSV = auto()
    JSONL = auto()
    PARQUET = auto()


@dataclass(frozen=True)
class ManifestFile:
    """One file of a manifest, as it was found before the run started."""

    path: str
    format: ManifestFormat
    compressed: bool
    state: FoundFile
    url_column: str
    columns: pa.Schema
    """The file's own columns: all but the URL's and `image_id`."""
    most_rows: int | None = None
    """Only so many first rows are taken; the file is then read in one part. None: all rows."""

    @property
    def unit(self) -> str:
        """What is counted in the file: lines, or rows where it has no lines."""
        return "row" if self.format is ManifestFormat.PARQUET else "line"

    def place(self, number: int) -> str:
        """Name a line of the file, or a row.

        Examples: `photos.csv:17`, `photos.parquet, row 17`.
        """
        return f"{self.path}:{number}" if self.unit == "line" else f"{self.path}, row {number}"


@dataclass(frozen=True)
class ManifestPart:
    """What is read in one go: bytes `start` to `stop` of a text, row groups `start` to `stop` of Parquet."""

    file: ManifestFile
    start: int = 0
    stop: int | None = None
    """None: to the end."""
    first: int = 1
    """Number of the part's first line or row, 1-based."""


class Record(NamedTuple):
    """One entry as the format gives it, before anyone asked whether its URL is one."""

    number: int
    """Line where it begins, or row in Parquet, 1-based."""
    image_url: object
    image_id: object
    columns: tuple[object, ...]
    """In the order of the run's columns."""
    flaw: str | None = None
    """Why it is none in this format, and the cure; `image_url` is then its text."""
