"""Open a manifest's file, packed or not, here or remote, and see that it does not change."""

import gzip
import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from facebeam.transforms.files.any_store import store_of
from facebeam.transforms.manifest.manifest_file import ManifestError, ManifestFile, manifest_errors


@contextmanager
def open_text(file: ManifestFile) -> Iterator[BinaryIO]:
    """Open a text's bytes, unpacked. Python's gzip checks length and sum; Beam's accepts a cut file."""
    with store_of(file.path).opened(file.path) as stream:
        if file.compressed:
            with gzip.open(stream) as unpacked:
                yield io.BufferedReader(unpacked)  # gzip's own readline is four times as slow
        else:
            yield stream


def check_unchanged(file: ManifestFile) -> None:
    """See that nobody has written to a file since it was inspected.

    Raises:
        ManifestError: its size or its time of change differs, or it is gone.
    """
    with manifest_errors(file.path):
        now = store_of(file.path).state(file.path)
    if now.size_bytes != file.state.size_bytes:
        change = f"had {file.state.size_bytes} bytes when the run began, now {now.size_bytes}"
    elif now != file.state:
        change = "was written to after the run began"
    else:
        return
    raise ManifestError(f"{file.path}: {change}: wait until it is written, then run again")
