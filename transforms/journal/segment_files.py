"""List and delete segments by their plain names, on any of Beam's file systems.

Beam's `match` and `delete` take every path for a glob. On the local file system that finds nothing at all
below a relative folder called `photos[1]`, passes over folders that may not be read, and loses sight of files
that are renamed meanwhile: each time the answers in there would be paid for again. So local names are listed
here.
"""

import os
from collections.abc import Iterable
from contextlib import suppress
from glob import escape
from pathlib import Path
from typing import Final

from apache_beam.io.filesystems import FileSystems

from schemas.errors import RunError
from transforms.output_files import is_local, output_errors, remove_file

REMOTE_AT_ONCE: Final = 16
"""A flush has a segment in almost every bucket, and at 30 ms a request 500 answers took 55 s one by one."""


def bucket_folder(path: str, bucket: int) -> str:
    """Name the folder of a bucket."""
    return f"{path.rstrip('/')}/bucket={bucket:03d}"


def at_once(path: str) -> int:
    """Tell how many buckets are worth writing or reading side by side: on a network each of them waits."""
    return 1 if is_local(path) else REMOTE_AT_ONCE


def list_segments(folder: str) -> list[str]:
    """List the segments of a bucket, by their names only; unfinished and set aside files are none.

    Raises:
        RunError: the folder is there but cannot be listed.
    """
    with output_errors("list", folder):
        if is_local(folder):
            return [f"{folder}/{name}" for name in _local_names(folder) if name.endswith(".parquet")]
        return [file.path for file in FileSystems.match([f"{escape(folder)}/*.parquet"])[0].metadata_list]


def size_bytes(path: str) -> int:
    """Give a segment's size, 0 where it is gone."""
    with output_errors("look for", path):
        if is_local(path):
            with suppress(FileNotFoundError):
                return Path(path).stat().st_size
            return 0
        return sum(file.size_in_bytes for file in FileSystems.match([escape(path)])[0].metadata_list)


def delete(paths: Iterable[str]) -> None:
    """Delete files as far as they are there and may be deleted; what stays does no harm."""
    for path in paths:
        with suppress(RunError):
            remove_file(path)


def _local_names(folder: str) -> list[str]:
    """List a folder in one go: a merged segment is seen, or the ones that it replaces."""
    try:
        return os.listdir(folder)  # noqa: PTH208 - one system call, where iterdir may take its time
    except FileNotFoundError:
        return []
