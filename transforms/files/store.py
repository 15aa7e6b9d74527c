"""What a place for files can do: `local` and `remote` are the two that there are."""

from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager
from typing import BinaryIO, NamedTuple, Protocol


class FoundFile(NamedTuple):
    """A file as a listing shows it."""

    size_bytes: int
    changed: float
    """Unix seconds; 0 where the store does not say."""


class Store(Protocol):
    """The operations of a place. Each raises OSError alone: FileNotFoundError where the file is missing.

    Every path is taken as it is written, `out[1]` too; only `matching` reads a glob.
    """

    def opened(self, path: str) -> AbstractContextManager[BinaryIO]:
        """Open a file's bytes as they are stored (a .gz stays packed); the stream can seek."""

    def read_range(self, path: str, start: int, stop: int) -> bytes:
        """Read only the bytes from `start` to before `stop`; several threads may do so at a time."""

    def created(self, path: str) -> AbstractContextManager[BinaryIO]:
        """Open a new file for writing, with its folders."""

    def state(self, path: str) -> FoundFile:
        """Give size and time of change of one file."""

    def exists(self, path: str) -> bool:
        """Tell whether a file or a folder is there."""

    def matching(self, pattern: str) -> dict[str, FoundFile]:
        """List the files that a glob names, sorted."""

    def files_in(self, folder: str) -> dict[str, FoundFile]:
        """List the files of one folder, from one look at it; one that is gone since has no bytes."""

    def files_below(self, folder: str) -> dict[str, FoundFile]:
        """List every file below a folder, however deep."""

    def folders_in(self, folder: str) -> dict[str, float]:
        """List the folders in a folder: name -> time of the last change in it (Unix seconds)."""

    def move(self, targets: Mapping[str, str]) -> None:
        """Rename files, source -> target; a target that is there is replaced."""

    def remove_files(self, paths: Collection[str]) -> None:
        """Delete files; one that is gone already does not matter."""

    def remove(self, folder: str) -> None:
        """Delete a folder with everything in it; nothing happens where it is not there."""

    def make_durable(self, path: str) -> None:
        """Wait until a file's bytes, or a folder's names, are on the disk."""

    def has_folders(self, path: str) -> bool:
        """Tell a file system, which renames a whole folder at once, from a store of whole objects."""

    def fingerprint(self, path: str) -> str:
        """Tell a file's content from another's: `sha256:<hex>`, or the checksum that a store keeps."""
