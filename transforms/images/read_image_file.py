"""Read the bytes of an image that is a file: on this machine, or in a store that Beam can open."""

import os
import stat
from http import HTTPStatus
from typing import Final
from urllib.parse import unquote_to_bytes, urlsplit

from facebeam.schemas.errors import ErrorCode
from facebeam.transforms.files.vendor_errors import vendor_errors
from facebeam.transforms.images.fetch_failure import fetch_failure, too_large


def read_local_image(url: str, max_bytes: int) -> bytes:
    """Read a file, given as a plain path or as `file:///path`, percent-encoded.

    Raises:
        FailureError: `not_found`, `image_too_large` (over `max_bytes`; not read then) or `file_unreadable`,
            which pipes and devices are too.
    """
    try:
        return _read_path(url, _path(url), max_bytes)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise fetch_failure(ErrorCode.NOT_FOUND, url, "no such file") from error
    except OSError as error:
        raise fetch_failure(ErrorCode.FILE_UNREADABLE, url, error.strerror or str(error)) from error
    except ValueError as error:  # a NUL, or what the file system's encoding cannot write
        raise fetch_failure(ErrorCode.FILE_UNREADABLE, url, f"no path: {error}") from error


def _path(url: str) -> bytes:
    if not url.lower().startswith("file:"):
        return os.fsencode(url)
    parts = urlsplit(url)
    if parts.netloc.lower() not in {"", "localhost"}:
        cure = "write file:///path for a file of this machine"
        raise fetch_failure(ErrorCode.FILE_UNREADABLE, url, "a file of another host", cure)
    return unquote_to_bytes(parts.path)


def _read_path(url: str, path: bytes, max_bytes: int) -> bytes:
    # O_NONBLOCK: opening a pipe would otherwise wait for its writer; regular files do not mind.
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise fetch_failure(ErrorCode.FILE_UNREADABLE, url, "a directory, pipe or device, not a file")
        if status.st_size > max_bytes:
            raise too_large(url, f"{status.st_size} bytes", max_bytes)
        return file.read(status.st_size)


BUCKETS: Final = {
    "gs": "pip install facebeam[gcp], and give credentials that may read it",
    "s3": "pip install facebeam[aws], and give credentials that may read it",
    "hdfs": "pip install apache-beam[hadoop], and give --hdfs_host, --hdfs_port and --hdfs_user",
}
"""URL scheme -> what it takes to read from there."""


def read_bucket_image(url: str, max_bytes: int) -> bytes:
    """Read a file by its `gs://`, `s3://` or `hdfs://` URL.

    Raises:
        FailureError: `not_found`, `image_too_large` (over `max_bytes`), or `file_unreadable`, also when the
            extra that knows the scheme is not installed.
    """
    from apache_beam.io.filesystem import CompressionTypes  # noqa: PLC0415 - Beam takes 1.7 s to import
    from apache_beam.io.filesystems import FileSystems  # noqa: PLC0415

    try:
        with FileSystems.open(url, compression_type=CompressionTypes.UNCOMPRESSED) as file:
            data: bytes = file.read(max_bytes + 1)
    except _bucket_errors() as error:
        cure = BUCKETS[url.partition(":")[0].lower()]
        raise fetch_failure(_code(error), url, f"{type(error).__name__}: {error}", cure) from error
    if len(data) > max_bytes:
        raise too_large(url, f"over {max_bytes} bytes", max_bytes)
    return data


def _bucket_errors() -> tuple[type[Exception], ...]:
    """Give what Beam raises, and what vendors do."""
    # AssertionError: once a pipeline has set its options, Beam's S3 says in this way that boto3 is missing.
    return (ValueError, RuntimeError, AssertionError, *vendor_errors())


def _code(error: Exception) -> ErrorCode:
    """Tell a missing object by its HTTP status, which Google's and Amazon's exceptions carry as `code`."""
    missing = isinstance(error, FileNotFoundError) or getattr(error, "code", None) == HTTPStatus.NOT_FOUND
    return ErrorCode.NOT_FOUND if missing else ErrorCode.FILE_UNREADABLE
