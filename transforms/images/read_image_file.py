"""Read the bytes of an image file, on this machine or in a remote store that Beam can open."""

import os
import stat
from urllib.parse import unquote_to_bytes, urlsplit

from facebeam.schemas.errors import ErrorCode, RunError
from facebeam.transforms.files.any_store import CURES, store_of
from facebeam.transforms.images.fetch_failure import fetch_failure, too_large


def read_local_image(url: str, max_bytes: int) -> bytes:
    """Read a file, given as a plain path or as percent-encoded `file:///path`.

    Raises:
        FailureError: `not_found`; `image_too_large` if it has over `max_bytes` (it is not read then); or
            `file_unreadable`, also for a pipe or device.
    """
    try:
        return _read_path(url, _path(url), max_bytes)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise fetch_failure(ErrorCode.NOT_FOUND, url, "no such file") from error
    except OSError as error:
        raise fetch_failure(ErrorCode.FILE_UNREADABLE, url, error.strerror or str(error)) from error
    except ValueError as error:  # a NUL, or a character that the file system's encoding does not have
        raise fetch_failure(ErrorCode.FILE_UNREADABLE, url, f"not a valid path: {error}") from error


def _path(url: str) -> bytes:
    if not url.lower().startswith("file:"):
        return os.fsencode(url)
    parts = urlsplit(url)
    if parts.netloc.lower() not in {"", "localhost"}:
        cure = "write file:///path for a file on this machine"
        raise fetch_failure(ErrorCode.FILE_UNREADABLE, url, "a file on another host", cure)
    return unquote_to_bytes(parts.path)


def _read_path(url: str, path: bytes, max_bytes: int) -> bytes:
    # O_NONBLOCK: without it, opening a pipe waits for a writer; it changes nothing for regular files.
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise fetch_failure(ErrorCode.FILE_UNREADABLE, url, "a directory, pipe or device, not a file")
        if status.st_size > max_bytes:
            raise too_large(url, f"{status.st_size} bytes", max_bytes)
        return file.read(status.st_size)


def read_bucket_image(url: str, max_bytes: int) -> bytes:
    """Read a file by its `gs://`, `s3://` or `hdfs://` URL.

    Raises:
        FailureError: `not_found`; `image_too_large` if it has over `max_bytes`; or `file_unreadable`, also if
            the library for the scheme is not installed.
    """
    cure = CURES[url.partition(":")[0].lower()][1]
    try:
        with store_of(url).opened(url) as file:
            data = file.read(max_bytes + 1)
    except FileNotFoundError as error:
        raise fetch_failure(ErrorCode.NOT_FOUND, url, "no such file", cure) from error
    except (OSError, RunError) as error:
        raise fetch_failure(ErrorCode.FILE_UNREADABLE, url, str(error), cure) from error
    if len(data) > max_bytes:
        raise too_large(url, f"over {max_bytes} bytes", max_bytes)
    return data
