"""What ends a run because of its manifest, and the one place where foreign errors become that."""

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from gzip import BadGzipFile
from typing import Final

import pyarrow as pa

from schemas.errors import RunError
from transforms.vendor_errors import vendor_errors

UNREADABLE: Final = (OSError, EOFError, zlib.error, pa.ArrowException, UnicodeDecodeError)
"""What opening and reading raise: files (Beam's BeamIOError is an OSError), gzip, Parquet."""


class ManifestError(RunError):
    """End the run before the first image is asked for: one line with the path, the rule and the cure."""


def unreadable(place: str, error: Exception) -> ManifestError:
    """Translate one of `UNREADABLE`."""
    detail = " ".join(str(error).split())[:300]
    return ManifestError(f"{place}: cannot be read ({detail}): {_cure(error)}")


@contextmanager
def manifest_errors(place: str) -> Iterator[None]:
    """Translate what opening and reading raise.

    Raises:
        ManifestError: instead of any of `UNREADABLE`, and of what the client of an object store raises.
    """
    try:
        yield
    except (*UNREADABLE, *vendor_errors()) as error:
        raise unreadable(place, error) from error


def _cure(error: Exception) -> str:
    match error:
        case BadGzipFile() | EOFError() | zlib.error():
            return "the .gz is damaged or cut short; copy it again until `gzip -t` is content"
        case FileNotFoundError():
            return "there is no such file; check --manifest"
        case PermissionError():
            return "the right to read it is missing"
        case OSError(errno=int()):
            return "check the path and the disk"
        case _:
            return "the file is damaged, cut short, or not what its ending says; write it again"
