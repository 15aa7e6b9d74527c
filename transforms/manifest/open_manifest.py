"""Open a file of a manifest, compressed or not, local or remote, and check that it has not changed."""

import gzip
import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from facebeam.transforms.files.any_store import store_of
from facebeam.transforms.manifest.manifest_file import ManifestError, ManifestFile, manifest_errors


@contextmanager
def open_text(file: ManifestFile) -> Iterator[BinaryIO]:
    """Open a text file, unpacked, with Python's gzip: Beam's accepts a file that is cut short."""
    with store_of(file.path).opened(file.path) as stream:
        if file.compressed:
            with gzip.open(stream) as unpacked:
                yield io.BufferedReader(unpacked)  # gzip's own readline is four times as slow
        else:
            yield stream


def check_unchanged(file: ManifestFile) -> None:
    """Check that a file has not changed since it was inspected.

    Raises:
        ManifestError: its size or modification time differs, or it no longer exists.
    """
    with manifest_errors(file.path):
        now = store_of(file.path).state(file.path)
    if now.size_bytes != file.state.size_bytes:
        change = f"had {file.state.size_bytes} bytes when the run began, now it has {now.size_bytes}"
    elif now != file.state:
        change = "has changed since the run began"
    else:
        return
    raise ManifestError(f"{file.path}: {change}: wait until it is complete, then run again")
