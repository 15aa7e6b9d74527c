"""Work with files on this machine, without Beam, whose import takes a second."""

import errno
import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from glob import glob
from hashlib import file_digest
from pathlib import Path
from shutil import rmtree
from typing import BinaryIO

from facebeam.transforms.files.store import FoundFile


@contextmanager
def opened(path: str) -> Iterator[BinaryIO]:
    """Open a file for reading."""
    with Path(path).open("rb") as file:
        yield file


def read_range(path: str, start: int, stop: int) -> bytes:
    """Read a part of a file."""
    with Path(path).open("rb", buffering=0) as file:
        return os.pread(file.fileno(), stop - start, start)


@contextmanager
def created(path: str) -> Iterator[BinaryIO]:
    """Open a new file for writing, and make its folders."""
    _make_folder(Path(path).parent)
    with Path(path).open("wb") as file:
        yield file


def state(path: str) -> FoundFile:
    """Give size and time of the last change."""
    found = Path(path).stat()
    return FoundFile(found.st_size, found.st_mtime)


def exists(path: str) -> bool:
    """Tell whether a file or folder exists."""
    return Path(path).exists()


def matching(pattern: str) -> dict[str, FoundFile]:
    """List the files that match a glob, sorted; `**` matches folders at any depth."""
    paths = sorted(glob(pattern, recursive=True))  # noqa: PTH207 - Path.glob takes no absolute patterns
    return {path: state(path) for path in paths if not Path(path).is_dir()}


def files_in(folder: str) -> dict[str, FoundFile]:
    """List the files of one folder with one `os.listdir`.

    Another process may replace several files by a new one at the same time: it writes the new file first. So
    the list contains the new file or all the files that it replaces.
    """
    try:
        names = os.listdir(folder)  # noqa: PTH208 - iterdir may use several calls
    except FileNotFoundError:
        return {}
    return {path: _state_or_empty(path) for path in (f"{folder}/{name}" for name in names)}


def files_below(folder: str) -> dict[str, FoundFile]:
    """List every file below a folder."""
    found: dict[str, FoundFile] = {}
    for path in Path(folder).rglob("*"):
        with suppress(FileNotFoundError):  # another process may delete the file meanwhile
            if path.is_file():
                found[f"{folder}/{path.relative_to(folder)}"] = state(str(path))
    return found


def folders_in(folder: str) -> dict[str, float]:
    """List the folders in a folder, also empty ones."""
    folders = [path for path in Path(folder).iterdir() if path.is_dir()] if Path(folder).is_dir() else []
    return {path.name: _last_change(path) for path in folders}


def move(targets: Mapping[str, str]) -> None:
    """Rename files or folders, and make the folders of their targets."""
    for source, target in targets.items():
        _make_folder(Path(target).parent)
        Path(source).replace(target)


def remove_files(paths: Collection[str]) -> None:
    """Delete files."""
    for path in paths:
        Path(path).unlink(missing_ok=True)


def remove(folder: str) -> None:
    """Delete a folder, also if others delete it too, or still write into it."""
    while Path(folder).exists():
        try:
            rmtree(folder)
        except OSError as error:
            if error.errno not in {errno.ENOENT, errno.ENOTEMPTY}:
                raise


def make_durable(path: str) -> None:
    """Wait until the disk has stored a file, or the names in a folder."""
    descriptor = os.open(path or "/", os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # EINVAL: the file system cannot sync folders
            raise
    finally:
        os.close(descriptor)


def has_folders(path: str) -> bool:  # noqa: ARG001 - the same for all paths
    """Return True: a folder on this machine can be renamed."""
    return True


def fingerprint(path: str) -> str:
    """Give the SHA-256 of a file's bytes."""
    with Path(path).open("rb") as file:
        return f"sha256:{file_digest(file, 'sha256').hexdigest()}"


def _state_or_empty(path: str) -> FoundFile:
    try:
        return state(path)
    except FileNotFoundError:
        return FoundFile(0, 0.0)


def _last_change(folder: Path) -> float:
    below = (file.changed for file in files_below(str(folder)).values())
    return max(below, default=folder.stat().st_mtime)


def _make_folder(folder: Path) -> None:
    """Make a folder, and wait until its name is on the disk before anything is put into it."""
    if not folder.is_dir():
        _make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        make_durable(str(folder.parent))
