"""Read the bytes of an image that is a file of this machine.

Only with `--allow-local-files`: a manifest from elsewhere could otherwise read this machine's files.
"""

import os
import stat
from urllib.parse import unquote_to_bytes, urlsplit

from schemas.errors import ErrorCode
from transforms.image_fetch.fetch_failure import fetch_failure, too_large


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
