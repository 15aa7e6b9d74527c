"""Files under the output, on any of Beam's file systems, with one kind of error.

Everything that writes or moves below `--output` goes through here, so that a full disk or a missing right
ends the run with a sentence that names the path, and not with a stack of file system classes.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from glob import escape
from pathlib import Path
from shutil import rmtree
from typing import Any, BinaryIO, Final
from uuid import uuid4

from apache_beam.io.filesystem import BeamIOError
from apache_beam.io.filesystems import FileSystems

from schemas.errors import RunError

_UNAVAILABLE: Final = (OSError, BeamIOError, ValueError, AssertionError)
"""The last two are Beam's for a scheme whose extra is not installed."""


@contextmanager
def output_errors(doing: str, path: str) -> Iterator[None]:
    """Translate what a file system raises while `doing` something with `path`.

    Raises:
        RunError: instead of OSError, BeamIOError or a missing file system.
    """
    try:
        yield
    except _UNAVAILABLE as error:
        cause = " ".join(str(error).split())[:300]
        raise RunError(f"cannot {doing} {path}: {cause}; check space and rights there") from error


@contextmanager
def writing(path: str) -> Iterator[BinaryIO]:
    """Open a new file for writing, with its folders; whatever fails until it is closed is a RunError."""
    with output_errors("write", path), FileSystems.create(path) as file:
        yield file


def write_json(path: str, value: Mapping[str, object]) -> None:
    """Write a file that is whole or not there: under another name first, then renamed."""
    unfinished = f"{path}.{uuid4().hex}"
    with writing(unfinished) as file:
        file.write(json.dumps(value, indent=2, default=str).encode() + b"\n")
    move(unfinished, path)


def read_json(path: str) -> dict[str, Any]:
    """Read what `write_json` wrote."""
    with output_errors("read", path), FileSystems.open(path) as file:
        value: dict[str, Any] = json.loads(file.read())
    return value


def exists(path: str) -> bool:
    """Tell whether a file is there."""
    with output_errors("look for", path):
        return FileSystems.exists(path)


def files_below(folder: str) -> dict[str, float]:
    """List every file below a folder, however deep: path -> time of its last change (Unix seconds)."""
    with output_errors("list", folder):
        found = FileSystems.match([f"{escape(folder)}/**"])[0].metadata_list
    return {file.path: file.last_updated_in_seconds or 0.0 for file in found}


def move(source: str, target: str) -> None:
    """Rename a file, replacing the target; on object stores this is copy and delete."""
    with output_errors("publish", target):
        folder = FileSystems.split(target)[0]
        if not FileSystems.exists(folder):
            FileSystems.mkdirs(folder)
        FileSystems.rename([source], [target])


def remove(folder: str) -> None:
    """Delete a folder with everything in it; nothing happens where it is not there."""
    with output_errors("remove", folder):
        if FileSystems.get_scheme(folder) is None:
            _remove_local(folder)
        else:
            whole = [folder] if FileSystems.exists(folder) else [*map(escape, files_below(folder))]
            FileSystems.delete(whole)


def _remove_local(folder: str) -> None:
    """Do what Beam's own delete would, did it not take `out[1]` for a pattern that matches `out1`."""
    if Path(folder).exists():
        rmtree(folder)
