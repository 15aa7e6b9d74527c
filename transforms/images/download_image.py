"""Download an image over HTTP: hop by hop, each one checked, the whole of it bounded in time and size."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from time import monotonic
from typing import Final
from urllib.parse import unquote_to_bytes

import requests
import urllib3.exceptions
from requests.auth import HTTPBasicAuth
from requests.cookies import RequestsCookieJar

from facebeam.schemas.errors import ErrorCode
from facebeam.schemas.values import FailureError
from facebeam.transforms.http.errors import error_code, telling
from facebeam.transforms.http.response import finished_within
from facebeam.transforms.http.shown_text import shown_url
from facebeam.transforms.http.status import retry_after_s, status_error_code
from facebeam.transforms.http.web_place import WebPlace, redirect_target, web_place
from facebeam.transforms.images.fetch_failure import fetch_failure, too_large
from facebeam.transforms.images.host_turns import HostTurns

_CHUNK_BYTES: Final = 64 * 1024
_CODINGS: Final = frozenset({"br", "compress", "dcb", "dcz", "x-compress", "zstd"})
"""Content codings of IANA's registry that urllib3 reads with another package or not at all."""


def read_body(place: WebPlace, response: requests.Response, max_bytes: int) -> bytes:
    """Read the image that a place answers with.

    Raises:
        FailureError: the status is no success, or the body is too large or in a coding that cannot be read.
        Exception: what requests raises, when the body breaks.
    """
    if code := status_error_code(response.status_code):
        raise _status_failure(code, place, response)
    _keep_known_codings(place, response)
    if (announced := response.raw.length_remaining or 0) > max_bytes:
        raise too_large(place.url, f"{announced} bytes announced", max_bytes)
    body = bytearray()
    for chunk in _chunks(place, response):
        body += chunk
        if len(body) > max_bytes:
            raise too_large(place.url, f"over {max_bytes} bytes sent", max_bytes)
    return bytes(body)


def _keep_known_codings(place: WebPlace, response: requests.Response) -> None:
    """Have the body decoded by what is a coding: `gzip, identity` is gzip.

    A label that names no coding at all, such as `utf-8`, is a mistake of the server's, and ignored.
    """
    headers, decoded = response.raw.headers, response.raw.CONTENT_DECODERS
    codings = [coding.strip() for coding in headers.get("Content-Encoding", "").lower().split(",")]
    if unread := _CODINGS.intersection(codings).difference(decoded):
        detail = f"Content-Encoding {', '.join(sorted(unread))} was not asked for and cannot be read here"
        raise fetch_failure(ErrorCode.HTTP_ERROR, place.url, detail, "have the host send the image as it is")
    headers["Content-Encoding"] = ", ".join(coding for coding in codings if coding in decoded)


def _chunks(place: WebPlace, response: requests.Response) -> Iterator[bytes]:
    try:
        yield from response.iter_content(_CHUNK_BYTES)
    except ValueError:  # a chunk of negative length, which urllib3 tries to read
        raise fetch_failure(ErrorCode.RESPONSE_TRUNCATED, place.url, "no chunk length") from None


def _status_failure(code: ErrorCode, place: WebPlace, response: requests.Response) -> FailureError:
    status, headers = response.status_code, response.headers
    failure = fetch_failure(code, place.url, f"HTTP {status}").failure
    wait_s = retry_after_s(headers.get("Retry-After"), headers.get("Date"))
    return FailureError(replace(failure, http_status=status, retry_after_s=wait_s))


_MAX_REDIRECTS: Final = 20  # as browsers
_FOREIGN: Final = (requests.RequestException, urllib3.exceptions.HTTPError, UnicodeError)


@dataclass(frozen=True, slots=True)
class DownloadLimits:
    """Bound one download.

    Args:
        connect_timeout_s: for one address, TLS included.
        read_timeout_s: the longest silence of a server.
        timeout_s: for all of it, redirects included, but for waiting for turns; only the name server takes
            its own time.
        max_bytes: of the decoded body.
    """

    connect_timeout_s: float = 10.0
    read_timeout_s: float = 30.0
    timeout_s: float = 60.0
    max_bytes: int = 32 * 1024 * 1024


def download_image(session: requests.Session, url: str, limits: DownloadLimits, turns: HostTurns) -> bytes:
    """Download what stands at an http or https URL, following at most twenty redirects.

    A URL's own user and password go to its own scheme, host and port only. Each hop waits for a turn.

    Raises:
        FailureError: whatever stood in the way.
    """
    try:
        home = web_place(url)
    except ValueError:
        raise fetch_failure(ErrorCode.INVALID_MANIFEST_ROW, url, "no URL") from None
    place, left_s = home, limits.timeout_s
    download = _Download(session, home, limits)
    for _ in range(1 + _MAX_REDIRECTS):
        with turns.turn(place.authority):
            began = monotonic()
            with finished_within(left_s):
                found = download.ask(place)
            left_s -= monotonic() - began
        if isinstance(found, bytes):
            return found
        place = found
    raise fetch_failure(ErrorCode.TOO_MANY_REDIRECTS, home.url, f"over {_MAX_REDIRECTS} redirects")


@dataclass(frozen=True, slots=True)
class _Download:
    session: requests.Session
    home: WebPlace
    """What the manifest asked for, with user and password."""
    limits: DownloadLimits
    cookies: RequestsCookieJar = field(default_factory=RequestsCookieJar)
    """What the hosts of this download have set; the next one begins without."""

    def ask(self, place: WebPlace) -> bytes | WebPlace:
        """Give the body that stands at a place, or the place that it redirects to."""
        with self._asked(place) as response:
            if response.is_redirect:
                return _redirect_target(place, response.headers["Location"])
            return read_body(place, response, self.limits.max_bytes)

    @contextmanager
    def _asked(self, place: WebPlace) -> Iterator[requests.Response]:
        timeout_s = (self.limits.connect_timeout_s, self.limits.read_timeout_s)
        try:
            asked = requests.Request("GET", place.url, auth=self._auth(place), cookies=self.cookies)
            prepared = self.session.prepare_request(asked)
            prepared.url = place.url  # requests has respelled it
            with self.session.send(
                prepared, timeout=timeout_s, stream=True, allow_redirects=False
            ) as response:
                self.cookies.update(response.cookies)
                yield response
        except _FOREIGN as error:  # from None: its text has the URL's query, which may be a secret
            raise fetch_failure(self._code(error, place), place.url, _detail(error)) from None

    def _auth(self, place: WebPlace) -> HTTPBasicAuth | None:
        if self.home.auth is None or place.origin != self.home.origin:
            return None
        user, _, password = self.home.auth.partition(":")
        return HTTPBasicAuth(unquote_to_bytes(user), unquote_to_bytes(password))

    def _code(self, error: Exception, place: WebPlace) -> ErrorCode:
        """Tell a URL of the manifest that cannot be asked for from one of a redirect."""
        code = error_code(error)
        if place != self.home and code is ErrorCode.INVALID_MANIFEST_ROW:
            return ErrorCode.TOO_MANY_REDIRECTS
        return code


def _redirect_target(place: WebPlace, location: str) -> WebPlace:
    try:
        return redirect_target(place, location)
    except ValueError:
        detail = f"redirects to {shown_url(location)}"
        raise fetch_failure(ErrorCode.TOO_MANY_REDIRECTS, place.url, detail) from None


def _detail(error: Exception) -> str:
    """Say what happened: a socket in its own words, others by name, for their text has whole URLs in it."""
    told = telling(error)
    own_words = isinstance(told, OSError) and not isinstance(told, requests.RequestException)
    return str(told) if own_words else type(told).__name__
