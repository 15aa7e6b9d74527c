"""Files under the output, on any of Beam's file systems, with one kind of error.

Everything that writes or moves below `--output` goes through here, so that a full disk or a missing right
ends the run with a sentence that names the path, and not with a stack of file system classes.
"""

import errno
import json
import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path
from shutil import rmtree
from typing import Any, BinaryIO, Final, NamedTuple
from uuid import uuid4

from apache_beam.io.filesystems import FileSystems

from facebeam.schemas.errors import RunError
from facebeam.transforms.files.vendor_errors import vendor_errors

MOVED_AT_ONCE: Final = 100
"""The most that Google's store takes in one batch of requests."""
_NO_FILE_SYSTEM: Final = (ValueError, AssertionError)
"""Beam's for a scheme whose extra is not installed, and for a path that its file system cannot have."""


class FoundFile(NamedTuple):
    """A file as a listing tells it."""

    size_bytes: int
    changed: float
    """Unix seconds; 0 where the store does not say."""


@contextmanager
def output_errors(doing: str, path: str) -> Iterator[None]:
    """Translate what a file system raises while `doing` something with `path`.

    Raises:
        RunError: instead of OSError, BeamIOError, what a vendor's client raises, or a missing file system.
    """
    try:
        yield
    except vendor_errors() as error:
        raise RunError(f"cannot {doing} {path}: {_cause(error)}; check space and rights there") from error
    except _NO_FILE_SYSTEM as error:
        cure = "for gs:// pip install 'facebeam[gcp]', for s3:// 'facebeam[aws]'"
        raise RunError(f"cannot {doing} {path}: {_cause(error)}; {cure}") from error


@contextmanager
def writing(path: str) -> Iterator[BinaryIO]:
    """Open a new file for writing, with its folders; whatever fails until it is closed is a RunError."""
    with output_errors("write", path):
        if is_local(path):
            _make_folder(Path(path).parent)
        with FileSystems.create(path) as file:
            yield file


def write_mark(path: str) -> None:
    """Write a file whose name alone matters. Beam's client of S3 cannot write an object of zero bytes."""
    with writing(path) as file:
        file.write(b"\n")


def check_writable(folder: str) -> None:
    """Write a tiny file and delete it again; raises RunError where either cannot be done."""
    path = f"{folder.rstrip('/')}/_{uuid4().hex}.unfinished"
    write_mark(path)
    remove_file(path)


def write_whole(path: str, content: bytes, unfinished: str) -> None:
    """Write a file that is whole or absent, also after a power cut: under another name first, then renamed.

    On an object store it has its own name at once: an object is seen when its last byte has come, and a
    rename costs three requests.
    """
    under = path if is_object_store(path) else unfinished
    with writing(under) as file:
        file.write(content)
    if under != path:
        make_durable(under)
        move(under, path)
        make_durable(path.rpartition("/")[0])


def make_durable(path: str) -> None:
    """Wait until a file's bytes, or a folder's names, are on the disk. Object stores need no waiting."""
    if not is_local(path):
        return
    with output_errors("write", path):
        descriptor = os.open(path or "/", os.O_RDONLY)
        try:
            os.fsync(descriptor)
        except OSError as error:
            if error.errno != errno.EINVAL:  # a file system that cannot sync folders
                raise
        finally:
            os.close(descriptor)


def is_local(path: str) -> bool:
    """Tell a path of this machine's own file system."""
    return FileSystems.get_scheme(path) is None


def is_object_store(path: str) -> bool:
    """Tell a store of whole objects from a file system with folders."""
    with output_errors("look for", path):
        return not FileSystems.get_filesystem(path).has_dirs()


def write_json(path: str, value: Mapping[str, object]) -> None:
    """Write a file that is whole or not there."""
    content = json.dumps(value, indent=2, default=str).encode() + b"\n"
    write_whole(path, content, unfinished=f"{path}.{uuid4().hex}")


def read_json(path: str) -> dict[str, Any]:
    """Read what `write_json` wrote."""
    content = read_bytes(path)
    try:
        value = json.loads(content)
    except ValueError as error:
        raise RunError(f"{path} is damaged ({error}): restore it, or delete that run's folders") from error
    if not isinstance(value, dict):
        raise RunError(f"{path} is damaged (it holds no object): restore it, or delete that run's folders")
    return value


def read_bytes(path: str) -> bytes:
    """Read a small file."""
    with output_errors("read", path), FileSystems.open(path) as file:
        content: bytes = file.read()
    return content


def exists(path: str) -> bool:
    """Tell whether a file is there."""
    with output_errors("look for", path):
        return FileSystems.exists(path)


def files_below(folder: str) -> dict[str, FoundFile]:
    """List every file below a folder, however deep."""
    with output_errors("list", folder):
        if is_local(folder):  # Beam finds nothing below a relative `out[1]`
            return dict(_local_files_below(folder))
        found = FileSystems.match([f"{escape(folder)}/**"])[0].metadata_list
    return {file.path: FoundFile(file.size_in_bytes, file.last_updated_in_seconds or 0.0) for file in found}


def folders_in(folder: str) -> dict[str, float]:
    """List the folders in a folder: name -> time of the last change in it (Unix seconds)."""
    found: dict[str, float] = {}
    for path, file in files_below(folder).items():
        name, _, below = path.removeprefix(f"{folder}/").partition("/")
        if below:
            found[name] = max(file.changed, found.get(name, 0.0))
    if is_local(folder) and Path(folder).is_dir():
        empty = [path for path in Path(folder).iterdir() if path.name not in found and path.is_dir()]
        found |= {path.name: path.stat().st_mtime for path in empty}
    return found


def move_many(targets: Mapping[str, str]) -> None:
    """Rename files of an object store, source -> target, in lots: each is one batch of requests."""
    sources = [*targets]
    for start in range(0, len(sources), MOVED_AT_ONCE):
        lot = sources[start : start + MOVED_AT_ONCE]
        with output_errors("publish", targets[lot[0]]):
            FileSystems.rename(lot, [targets[source] for source in lot])


def move(source: str, target: str) -> None:
    """Rename a file, replacing the target, or a folder. On object stores a file is copied and deleted."""
    with output_errors("publish", target):
        if is_local(target):
            _make_folder(Path(target).parent)
            Path(source).replace(target)
            return
        if not FileSystems.exists(folder := FileSystems.split(target)[0]):
            FileSystems.mkdirs(folder)
        FileSystems.rename([source], [target])


def remove_file(path: str) -> None:
    """Delete one file."""
    with output_errors("remove", path):
        _delete(path)


def remove_files(paths: Collection[str]) -> None:
    """Delete files; one that is gone already does not matter."""
    for path in paths:
        with output_errors("remove", path), suppress(FileNotFoundError):
            _delete(path)


def remove(folder: str) -> None:
    """Delete a folder with everything in it; nothing happens where it is not there."""
    with output_errors("remove", folder):
        if is_local(folder):
            _remove_local(folder)
        else:
            whole = [folder] if FileSystems.exists(folder) else [*map(escape, files_below(folder))]
            FileSystems.delete(whole)


def _delete(path: str) -> None:
    """Delete one file; Beam's own delete takes every name for a glob."""
    Path(path).unlink() if is_local(path) else FileSystems.delete([escape(path)])


def _cause(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


def _local_files_below(folder: str) -> Iterator[tuple[str, FoundFile]]:
    for path in Path(folder).rglob("*"):
        with suppress(FileNotFoundError):  # another process removes it meanwhile
            if path.is_file():
                found = path.stat()
                yield f"{folder}/{path.relative_to(folder)}", FoundFile(found.st_size, found.st_mtime)


def _remove_local(folder: str) -> None:
    """Do what Beam's own delete would, did it not take `out[1]` for a pattern that matches `out1`."""
    while Path(folder).exists():
        with suppress(FileNotFoundError):  # another process removes it too, and was faster with a file
            rmtree(folder)


def _make_folder(folder: Path) -> None:
    """Make a folder whose name is on the disk before anything is put into it."""
    if not folder.is_dir():
        _make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        make_durable(str(folder.parent))
