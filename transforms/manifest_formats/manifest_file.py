"""The values of a manifest: its files, the parts they are read in, and the records that come out."""

from dataclasses import dataclass
from enum import StrEnum, auto
from typing import NamedTuple

import pyarrow as pa


class ManifestFormat(StrEnum):
    """How a manifest is written; the file's ending."""

    TXT = auto()
    CSV = auto()
    TSV = auto()
    JSONL = auto()
    PARQUET = auto()


class FileState(NamedTuple):
    """What differs after somebody has written to a file."""

    size_bytes: int
    changed_at: int
    """Nanoseconds since 1970; of a remote file seconds, or 0 where its store does not say."""


@dataclass(frozen=True)
class ManifestFile:
    """One file of a manifest, as it was found before the run started."""

    path: str
    format: ManifestFormat
    compressed: bool
    state: FileState
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
