"""Files under the output, on any of Beam's file systems, with one kind of error.

Everything that writes or moves below `--output` goes through here, so that a full disk or a missing right
ends the run with a sentence that names the path, and not with a stack of file system classes.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path
from shutil import rmtree
from typing import Any, BinaryIO, Final
from uuid import uuid4

from apache_beam.io.filesystems import FileSystems

from schemas.errors import RunError
from transforms.vendor_errors import vendor_errors

_NO_FILE_SYSTEM: Final = (ValueError, AssertionError)
"""Beam's for a scheme whose extra is not installed, and for a path that its file system cannot have."""


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
    with output_errors("write", path), FileSystems.create(path) as file:
        yield file


def check_writable(folder: str) -> None:
    """Write a tiny file and delete it again; raises RunError where either cannot be done."""
    path = f"{folder.rstrip('/')}/_{uuid4().hex}.unfinished"
    with writing(path) as file:
        file.write(b"may be deleted\n")
    remove_file(path)


def write_whole(path: str, content: bytes, unfinished: str) -> None:
    """Write a file that is whole or not there: under another name first, then renamed.

    On an object store it has its own name at once: an object is seen when its last byte has come, and a
    rename costs three requests.
    """
    under = path if is_object_store(path) else unfinished
    with writing(under) as file:
        file.write(content)
    if under != path:
        move(under, path)


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
    with output_errors("read", path), FileSystems.open(path) as file:
        content = file.read()
    try:
        value: dict[str, Any] = json.loads(content)
    except ValueError as error:
        raise RunError(f"{path} is damaged ({error}): restore it, or delete that run's folders") from error
    return value


def exists(path: str) -> bool:
    """Tell whether a file is there."""
    with output_errors("look for", path):
        return FileSystems.exists(path)


def files_below(folder: str) -> dict[str, float]:
    """List every file below a folder, however deep: path -> time of its last change (Unix seconds)."""
    with output_errors("list", folder):
        if FileSystems.get_scheme(folder) is None:  # Beam finds nothing below a relative `out[1]`
            return dict(_local_files_below(folder))
        found = FileSystems.match([f"{escape(folder)}/**"])[0].metadata_list
    return {file.path: file.last_updated_in_seconds or 0.0 for file in found}


def move(source: str, target: str) -> None:
    """Rename a file, replacing the target; on object stores this is copy and delete."""
    with output_errors("publish", target):
        folder = FileSystems.split(target)[0]
        if not FileSystems.exists(folder):
            FileSystems.mkdirs(folder)
        FileSystems.rename([source], [target])


def remove_file(path: str) -> None:
    """Delete one file."""
    with output_errors("remove", path):  # Beam's own delete takes every name for a glob
        Path(path).unlink() if FileSystems.get_scheme(path) is None else FileSystems.delete([escape(path)])


def remove(folder: str) -> None:
    """Delete a folder with everything in it; nothing happens where it is not there."""
    with output_errors("remove", folder):
        if FileSystems.get_scheme(folder) is None:
            _remove_local(folder)
        else:
            whole = [folder] if FileSystems.exists(folder) else [*map(escape, files_below(folder))]
            FileSystems.delete(whole)


def _cause(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


def _local_files_below(folder: str) -> Iterator[tuple[str, float]]:
    for path in Path(folder).rglob("*"):
        with suppress(FileNotFoundError):  # whoever removes it meanwhile
            if path.is_file():
                yield f"{folder}/{path.relative_to(folder)}", path.stat().st_mtime


def _remove_local(folder: str) -> None:
    """Do what Beam's own delete would, did it not take `out[1]` for a pattern that matches `out1`."""
    if Path(folder).exists():
        rmtree(folder)
