"""Open a manifest's file, packed or not, here or remote, and see that it does not change."""

import gzip
import io
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import BinaryIO, Final

from facebeam.transforms.images.read_image_file import BUCKETS
from facebeam.transforms.manifest.manifest_file import FileState, ManifestError, ManifestFile, manifest_errors

_LIBRARIES: Final = {"gs": "google.cloud.storage", "s3": "boto3", "hdfs": "hdfs"}
"""What Beam's file systems need: some import without it, and fail later in ways of their own."""


def is_remote(path: str) -> bool:
    """Tell whether a path belongs to one of Beam's file systems rather than to this machine.

    >>> is_remote("gs://bucket/photos.csv"), is_remote("photos.csv")
    (True, False)
    """
    return "://" in path


@contextmanager
def open_packed(path: str) -> Iterator[BinaryIO]:
    """Open a file's bytes as they lie there. Beam, which costs 1.7 s, is imported for remote files only.

    Raises:
        ManifestError: the path's file system is unknown or not installed.
        OSError: the file cannot be opened.
    """
    if not is_remote(path):
        with open(path, "rb") as stream:  # noqa: PTH123 - a path here is what the user wrote, remote or not
            yield stream
        return
    from apache_beam.io.filesystem import CompressionTypes  # noqa: PLC0415 - slow
    from apache_beam.io.filesystems import FileSystems  # noqa: PLC0415 - slow

    with remote_errors(path):
        opened = FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED)
    with opened as stream:
        yield stream


@contextmanager
def remote_errors(path: str) -> Iterator[None]:
    """See that a path's file system is installed, and translate what Beam raises where it knows none."""
    scheme = path.partition("://")[0]
    if scheme in {"http", "https"}:
        raise ManifestError(f"{path}: is on a web server: download it, and name the file")
    if scheme in _LIBRARIES and not is_installed(_LIBRARIES[scheme]):
        raise ManifestError(f"{path}: what reads {scheme}:// is not installed: {BUCKETS[scheme]}")
    try:
        yield
    except (ValueError, AssertionError) as error:
        raise ManifestError(
            f"{path}: no file system for this path: install facebeam[gcp] for gs://, "
            "facebeam[aws] for s3://; write a local file as a plain path"
        ) from error


@contextmanager
def open_text(file: ManifestFile) -> Iterator[BinaryIO]:
    """Open a text's bytes, unpacked. Python's gzip checks length and sum; Beam's accepts a cut file."""
    with open_packed(file.path) as stream:
        if file.compressed:
            with gzip.open(stream) as unpacked:
                yield io.BufferedReader(unpacked)  # gzip's own readline is four times as slow
        else:
            yield stream


def is_installed(module: str) -> bool:
    """Tell whether a module could be imported; `find_spec` raises where its parent could not."""
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def check_unchanged(file: ManifestFile) -> None:
    """See that nobody has written to a file since it was inspected.

    Raises:
        ManifestError: its size or its time of change differs, or it is gone.
    """
    with manifest_errors(file.path):
        now = _ask_store(file.path) if is_remote(file.path) else local_state(file.path)
    if now.size_bytes != file.state.size_bytes:
        change = f"had {file.state.size_bytes} bytes when the run began, now {now.size_bytes}"
    elif now != file.state:
        change = "was written to after the run began"
    else:
        return
    raise ManifestError(f"{file.path}: {change}: wait until it is written, then run again")


def local_state(path: str) -> FileState:
    """Give the state of a file on this machine."""
    status = Path(path).stat()
    return FileState(status.st_size, status.st_mtime_ns)


def remote_state(size_bytes: int, changed_at_s: float) -> FileState:
    """Give the state of a file in a store. A listing may have fractions of seconds that the file lacks."""
    return FileState(size_bytes, int(changed_at_s))


def _ask_store(path: str) -> FileState:
    from apache_beam.io.filesystems import FileSystems  # noqa: PLC0415 - slow

    found = FileSystems.get_filesystem(path).metadata(path)
    return remote_state(found.size_in_bytes, found.last_updated_in_seconds)
