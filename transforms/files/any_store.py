"""Work with files on this machine and in gs://, s3:// and hdfs:// with the same functions and errors.

All code that writes or moves files below `--output` uses these functions, so that a full disk or a missing
permission ends the run with a sentence that names the path.
"""

import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from typing import Any, BinaryIO, Final
from uuid import uuid4

from facebeam.schemas.errors import RunError
from facebeam.transforms.files import local
from facebeam.transforms.files.store import FoundFile, Store

CURES: Final = {
    "gs": ("google.cloud.storage", "pip install 'facebeam[gcp]', and give credentials"),
    "s3": ("boto3", "pip install 'facebeam[aws]', and give credentials"),
    "hdfs": ("hdfs", "pip install 'apache-beam[hadoop]', and give --hdfs_host, --hdfs_port and --hdfs_user"),
}
"""URL scheme -> the Python module that it needs, and what the user must do to use it."""


def is_local(path: str) -> bool:
    """Tell whether a path is on this machine's own file system.

    >>> is_local("photos.csv"), is_local("gs://bucket/photos.csv")
    (True, False)
    """
    return "://" not in path


def store_of(path: str) -> Store:
    """Give the store that a path belongs to; only a remote path imports Beam.

    Raises:
        RunError: no file system supports the path, or the library for its scheme is not installed.
    """
    if is_local(path):
        return local
    _check_library(path)
    from facebeam.transforms.files import remote  # noqa: PLC0415 - Beam takes a second to import

    if not remote.has_file_system(path):
        raise RunError(
            f"{path}: no file system for this path: use gs://, s3:// or hdfs://; a local file is a plain path"
        )
    return remote


@contextmanager
def file_errors(doing: str, path: str) -> Iterator[None]:
    """Translate exceptions of a store in the block into RunError, with the message "cannot `doing` `path`".

    Raises:
        RunError: instead of OSError, and of the ValueError that Arrow raises for bytes that are not Parquet.
    """
    try:
        yield
    except (OSError, ValueError) as error:
        cause = " ".join(str(error).split())[:300]
        raise RunError(f"cannot {doing} {path}: {cause}; check free space and permissions there") from error


@contextmanager
def writing(path: str) -> Iterator[BinaryIO]:
    """Open a new file for writing, and make its folders; every error until it is closed becomes RunError."""
    with file_errors("write", path), store_of(path).created(path) as file:
        yield file


@contextmanager
def reading(path: str) -> Iterator[BinaryIO]:
    """Open a file of any store for reading; every error until it is closed becomes RunError."""
    with file_errors("read", path), store_of(path).opened(path) as file:
        yield file


def write_mark(path: str) -> None:
    """Write a file of one byte that matters only by its name; Beam's S3 client cannot write an empty one."""
    with writing(path) as file:
        file.write(b"\n")


def check_writable(folder: str) -> None:
    """Write a small file and delete it; raises RunError if either fails."""
    path = f"{folder.rstrip('/')}/_{uuid4().hex}.unfinished"
    write_mark(path)
    remove_files([path])


def write_whole(path: str, content: bytes, unfinished: str) -> None:
    """Write a file that is complete or absent, also after a power cut.

    The function writes the file under the name `unfinished`, and then renames it. On an object store it
    writes to `path` directly: an object becomes visible only with its last byte, and a rename would cost
    three requests.
    """
    under = unfinished if has_folders(path) else path
    try:
        with writing(under) as file:
            file.write(content)
    except RunError:
        if under != path:
            with suppress(RunError):
                remove_files([under])
        raise
    if under != path:
        make_durable(under)
        move({under: path})
        make_durable(path.rpartition("/")[0])


def write_json(path: str, value: Mapping[str, object]) -> None:
    """Write a JSON file that is complete or absent, also after a power cut."""
    content = json.dumps(value, indent=2, default=str).encode() + b"\n"
    write_whole(path, content, unfinished=f"{path}.{uuid4().hex}")


def read_json(path: str) -> dict[str, Any]:
    """Read a file that `write_json` wrote; raises RunError if it is damaged."""
    try:
        value = json.loads(read_bytes(path))
    except ValueError as error:
        raise RunError(f"{path} is damaged ({error}): restore it, or delete that run's folders") from error
    if not isinstance(value, dict):
        raise RunError(f"{path} is damaged (not a JSON object): restore it, or delete that run's folders")
    return value


def read_bytes(path: str) -> bytes:
    """Read a small file."""
    with reading(path) as file:
        return file.read()


def read_range(path: str, start: int, stop: int) -> bytes:
    """Read the bytes of a file from `start` to before `stop`, by one request for just these bytes."""
    with file_errors("read", path):
        return store_of(path).read_range(path, start, stop)


def exists(path: str) -> bool:
    """Tell whether a file exists."""
    with file_errors("look for", path):
        return store_of(path).exists(path)


def has_folders(path: str) -> bool:
    """Tell whether the store of a path can rename a whole folder at once; object stores cannot."""
    with file_errors("look for", path):
        return store_of(path).has_folders(path)


def files_in(folder: str) -> dict[str, FoundFile]:
    """List the files of one folder, as they were at one moment; a file deleted since then has 0 bytes."""
    with file_errors("list", folder):
        return store_of(folder).files_in(folder)


def files_below(folder: str) -> dict[str, FoundFile]:
    """List every file below a folder, at any depth."""
    with file_errors("list", folder):
        return store_of(folder).files_below(folder)


def folders_in(folder: str) -> dict[str, float]:
    """List the folders in a folder: name -> time of the last change in it (Unix seconds)."""
    with file_errors("list", folder):
        return store_of(folder).folders_in(folder)


def move(targets: Mapping[str, str]) -> None:
    """Rename files of one store, source -> target, and replace targets; if `has_folders`, also folders."""
    if targets:
        target = next(iter(targets.values()))
        with file_errors("publish", target):
            store_of(target).move(targets)


def make_durable(path: str) -> None:
    """Wait until a file's bytes or a folder's names are on the disk; does nothing on object stores."""
    with file_errors("write", path):
        store_of(path).make_durable(path)


def remove_files(paths: Collection[str]) -> None:
    """Delete files of one store; files that do not exist are ignored."""
    if paths:
        path = next(iter(paths))
        with file_errors("remove", path):
            store_of(path).remove_files(paths)


def remove(folder: str) -> None:
    """Delete a folder and everything in it; a folder that does not exist is ignored."""
    with file_errors("remove", folder):
        store_of(folder).remove(folder)


def fingerprint(path: str) -> str:
    """Give a text that differs for different content: `sha256:<hex>`, or the store's own checksum."""
    with file_errors("read", path):
        return store_of(path).fingerprint(path)


def _check_library(path: str) -> None:
    scheme = path.partition("://")[0].lower()
    if scheme in {"http", "https"}:
        raise RunError(
            f"{path} is on a web server, which facebeam cannot use: name a local "
            "path (a manifest: after you have downloaded it), or gs://, s3:// or hdfs://"
        )
    library, cure = CURES.get(scheme, ("apache_beam", ""))  # Beam may support other schemes, such as azfs://
    if not is_installed(library):
        raise RunError(f"{path}: the library for {scheme}:// is not installed: {cure}")


def is_installed(module: str) -> bool:
    """Tell whether a module is installed; `find_spec` raises if its parent package is not."""
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False
