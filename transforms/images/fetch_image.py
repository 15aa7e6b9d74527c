"""Fetch an image by its URL: from a web host, or, if the user allows files, from this machine or a bucket."""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Final

import requests

from facebeam.schemas.errors import ErrorCode
from facebeam.transforms.files.any_store import CURES
from facebeam.transforms.http.addresses import AddressRule, is_public
from facebeam.transforms.http.exchange import HttpLimits
from facebeam.transforms.http.session import http_session
from facebeam.transforms.http.web_place import web_place
from facebeam.transforms.images.download_image import DOWNLOAD_LIMITS, download_image
from facebeam.transforms.images.fetch_failure import fetch_failure
from facebeam.transforms.images.host_turns import HostLimits, HostTurns
from facebeam.transforms.images.read_image_file import read_bucket_image, read_local_image

__all__ = ["ImageFetcher"]

_WEB: Final = frozenset({"http", "https"})
Fetch = Callable[[str], bytes]
"""Image URL -> the image's bytes. Many threads may call it at the same time.

If the image cannot be fetched, it raises `FailureError` with stage `fetch`, for any URL.
"""


@dataclass(frozen=True, slots=True)
class OpenFetcher:
    """An open fetcher: a `Fetch`, with the turns of its threads at image hosts."""

    fetcher: "ImageFetcher"
    session: requests.Session
    turns: HostTurns

    def __call__(self, image_url: str) -> bytes:
        """Fetch the bytes of an image; raises FailureError."""
        fetcher, scheme = self.fetcher, url_scheme(image_url)
        if scheme in _WEB:
            return download_image(self.session, image_url, fetcher.limits, self.turns)
        if scheme not in {"", "file", *CURES}:
            raise fetch_failure(ErrorCode.INVALID_MANIFEST_ROW, image_url, f"{scheme}:// is not supported")
        if not fetcher.allow_local_files:
            cure = "put the image on a public host, or allow files with --allow-local-files"
            raise fetch_failure(ErrorCode.FORBIDDEN_ADDRESS, image_url, "a file, not a web address", cure)
        if scheme in CURES:
            return read_bucket_image(image_url, fetcher.limits.max_bytes)
        path = image_url if scheme else os.path.join(fetcher.folder, image_url)  # noqa: PTH118 - pathlib respells
        return read_local_image(path, fetcher.limits.max_bytes)


def host_of(image_url: str) -> str:
    """Give the host and port that an image is downloaded from; empty for a file, or if it is not a URL."""
    try:
        return web_place(image_url).authority
    except ValueError:
        return ""


@dataclass(frozen=True, slots=True)
class ImageFetcher:
    """Describes how to fetch images; `open` on the worker gives the function that fetches them.

    Args:
        allow_local_files: whether to read also plain paths, `file://`, `gs://`, `s3://` and `hdfs://`.
        rule: tells which addresses may be connected to.
        window: number of connections to keep open per host, and number of hosts. With fewer connections than
            threads, threads have to reconnect.
        limits: seconds and bytes that one image may take.
        host_limits: limits of the requests to one image host.
        headers: names and values of headers for every image host; they replace the default headers.
        ca_data: additional certificates to trust, in PEM.
        folder: folder that relative paths start from; the working folder of a worker may be another one.
    """

    allow_local_files: bool = False
    rule: AddressRule = is_public
    window: int = 32
    limits: HttpLimits = DOWNLOAD_LIMITS
    host_limits: HostLimits = field(default_factory=HostLimits)
    headers: tuple[tuple[str, str], ...] = ()
    ca_data: str = ""
    folder: str = ""

    @contextmanager
    def open(self) -> Iterator[OpenFetcher]:
        """Open the connections; leaving the context closes them."""
        with _image_session(self) as session:
            yield OpenFetcher(self, session, HostTurns(self.host_limits))


def _image_session(fetcher: ImageFetcher) -> requests.Session:
    """Open a session that asks for uncompressed images, with the User-Agent of facebeam or of the user."""
    session = http_session(fetcher.rule, fetcher.window, fetcher.ca_data)
    session.headers["User-Agent"] = f"facebeam/{_version()}"
    session.headers["Accept"] = "image/*,*/*;q=0.5"
    session.headers["Accept-Encoding"] = "identity"
    session.headers.update(fetcher.headers)
    return session


def _version() -> str:
    try:
        return version("facebeam")
    except PackageNotFoundError:  # run from a checkout that is not installed
        return "0"


def url_scheme(url: str) -> str:
    """Give a URL's scheme in lower case; empty for a plain path.

    >>> url_scheme("GS://bucket/a.jpg"), url_scheme("photos/a.jpg")
    ('gs', '')
    """
    found = re.match(r"([a-z][a-z0-9+.-]*)://", url, re.IGNORECASE)
    return found[1].lower() if found else ""
