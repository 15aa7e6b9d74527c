"""Open a manifest's file, wherever it lies."""

import gzip
import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from transforms.manifest_formats.manifest_error import ManifestError
from transforms.manifest_formats.manifest_file import ManifestFile


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
    """Translate what Beam raises where it has no such file system: ValueError, for S3 also AssertionError."""
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
