"""The interface of a place for files; the modules `local` and `remote` implement it."""

from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager
from typing import BinaryIO, NamedTuple, Protocol


class FoundFile(NamedTuple):
    """A file as a listing shows it."""

    size_bytes: int
    changed: float
    """Time of the last change in Unix seconds; 0 if the store does not report it."""


class Store(Protocol):
    """The operations of a place for files. They raise only OSError; for a missing file, FileNotFoundError.

    Only `matching` reads its argument as a glob. All other operations take a path such as `out[1]` literally.
    """

    def opened(self, path: str) -> AbstractContextManager[BinaryIO]:
        """Open a file for reading, without decompressing it; the stream can seek."""

    def read_range(self, path: str, start: int, stop: int) -> bytes:
        """Read only the bytes from `start` to before `stop`; several threads may do so at once."""

    def created(self, path: str) -> AbstractContextManager[BinaryIO]:
        """Open a new file for writing, and make its folders."""

    def state(self, path: str) -> FoundFile:
        """Give size and time of the last change of one file."""

    def exists(self, path: str) -> bool:
        """Tell whether a file or folder exists."""

    def matching(self, pattern: str) -> dict[str, FoundFile]:
        """List the files that match a glob, sorted."""

    def files_in(self, folder: str) -> dict[str, FoundFile]:
        """List the files of one folder, as they were at one moment; a file deleted since then has 0 bytes."""

    def files_below(self, folder: str) -> dict[str, FoundFile]:
        """List every file below a folder, at any depth."""

    def folders_in(self, folder: str) -> dict[str, float]:
        """List the folders in a folder: name -> time of the last change in it (Unix seconds)."""

    def move(self, targets: Mapping[str, str]) -> None:
        """Rename files, source -> target; existing targets are replaced."""

    def remove_files(self, paths: Collection[str]) -> None:
        """Delete files; files that do not exist are ignored."""

    def remove(self, folder: str) -> None:
        """Delete a folder and everything in it; a folder that does not exist is ignored."""

    def make_durable(self, path: str) -> None:
        """Wait until the bytes of a file, or the names in a folder, are on the disk."""

    def has_folders(self, path: str) -> bool:
        """Tell whether this store can rename a whole folder at once; object stores cannot."""

    def fingerprint(self, path: str) -> str:
        """Give a text that differs for different content: `sha256:<hex>`, or the store's own checksum."""
