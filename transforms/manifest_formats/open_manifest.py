"""Open a manifest's file, wherever it lies."""

import gzip
import io
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import BinaryIO, Final

from transforms.image_fetch.read_bucket_image import BUCKETS
from transforms.manifest_formats.manifest_error import ManifestError
from transforms.manifest_formats.manifest_file import ManifestFile

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
