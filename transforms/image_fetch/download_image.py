"""Download an image over HTTP: hop by hop, each one checked, the whole of it bounded in time and size."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import unquote_to_bytes, urljoin

import requests
import urllib3.exceptions
from requests.auth import HTTPBasicAuth
from urllib3.util import Url, parse_url

from schemas.errors import ErrorCode
from schemas.values import FailureError
from transforms.image_fetch.deadline import finished_within
from transforms.image_fetch.fetch_failure import fetch_failure, too_large
from transforms.image_fetch.http_errors import error_code, telling
from transforms.image_fetch.http_status import retry_after_s, status_error_code
from transforms.image_fetch.shown_url import shown_url

_MAX_REDIRECTS: Final = 5
_CHUNK_BYTES: Final = 64 * 1024
_FOREIGN: Final = (requests.RequestException, urllib3.exceptions.HTTPError, UnicodeError)


@dataclass(frozen=True, slots=True)
class DownloadLimits:
    """Bound one download.

    Args:
        connect_timeout_s: for one address, TLS included.
        read_timeout_s: the longest silence of a server.
        timeout_s: for all of it, redirects included; only the name server takes its own time.
        max_bytes: of the decoded body.
    """

    connect_timeout_s: float = 10.0
    read_timeout_s: float = 30.0
    timeout_s: float = 60.0
    max_bytes: int = 32 * 1024 * 1024


def download_image(session: requests.Session, url: str, limits: DownloadLimits) -> bytes:
    """Download what stands at an http or https URL, following at most five redirects.

    A URL's own user and password go to its own scheme, host and port only.

    Raises:
        FailureError: whatever stood in the way.
    """
    try:
        home = parse_url(url)
    except urllib3.exceptions.LocationParseError:
        raise fetch_failure(ErrorCode.INVALID_MANIFEST_ROW, url, "no URL") from None
    with finished_within(limits.timeout_s):
        return _Download(session, home, limits).follow(home._replace(auth=None), _MAX_REDIRECTS)


@dataclass(frozen=True, slots=True)
class _Download:
    session: requests.Session
    home: Url
    """What the manifest asked for, with user and password."""
    limits: DownloadLimits

    def follow(self, place: Url, redirects_left: int) -> bytes:
        """Give the body that stands at a place, or at the place that it redirects to."""
        with self._asked(place) as response:
            if not response.is_redirect:
                return _body(place, response, self.limits.max_bytes)
            target = _redirect_target(place, response.headers["Location"])
        if not redirects_left:
            raise fetch_failure(ErrorCode.TOO_MANY_REDIRECTS, place.url, f"over {_MAX_REDIRECTS} redirects")
        return self.follow(target, redirects_left - 1)

    @contextmanager
    def _asked(self, place: Url) -> Iterator[requests.Response]:
        timeout_s = (self.limits.connect_timeout_s, self.limits.read_timeout_s)
        try:
            with self.session.get(
                place.url, auth=self._auth(place), timeout=timeout_s, stream=True, allow_redirects=False
            ) as response:
                yield response
        except _FOREIGN as error:  # from None: its text has the URL's query, which may be a secret
            raise fetch_failure(self._code(error, place), place.url, _detail(error)) from None

    def _auth(self, place: Url) -> HTTPBasicAuth | None:
        if self.home.auth is None or _origin(place) != _origin(self.home):
            return None
        user, _, password = self.home.auth.partition(":")
        return HTTPBasicAuth(unquote_to_bytes(user), unquote_to_bytes(password))

    def _code(self, error: Exception, place: Url) -> ErrorCode:
        """Tell a URL of the manifest that cannot be asked for from one of a redirect."""
        code = error_code(error)
        redirected = place != self.home._replace(auth=None)
        return ErrorCode.TOO_MANY_REDIRECTS if redirected and code is ErrorCode.INVALID_MANIFEST_ROW else code


def _origin(url: Url) -> tuple[str | None, str | None, int | None]:
    return url.scheme, url.host, url.port


def _redirect_target(place: Url, location: str) -> Url:
    try:  # http.client reads headers as Latin-1; the web writes them in UTF-8
        target = parse_url(urljoin(place.url, location.encode("latin-1").decode()))
    except ValueError:  # bytes that are no UTF-8, text that is no URL
        raise fetch_failure(ErrorCode.TOO_MANY_REDIRECTS, place.url, "redirects to no URL") from None
    if target.scheme not in {"http", "https"}:
        detail = f"redirects to {shown_url(target.url)}"
        raise fetch_failure(ErrorCode.TOO_MANY_REDIRECTS, place.url, detail)
    return target._replace(auth=None)


def _body(place: Url, response: requests.Response, max_bytes: int) -> bytes:
    if code := status_error_code(response.status_code):
        raise _status_failure(code, place, response)
    if (announced := response.raw.length_remaining or 0) > max_bytes:
        raise too_large(place.url, f"{announced} bytes announced", max_bytes)
    body = bytearray()
    for chunk in _chunks(place, response):
        body += chunk
        if len(body) > max_bytes:
            raise too_large(place.url, f"over {max_bytes} bytes sent", max_bytes)
    return bytes(body)


def _chunks(place: Url, response: requests.Response) -> Iterator[bytes]:
    try:
        yield from response.iter_content(_CHUNK_BYTES)
    except ValueError:  # a chunk of negative length, which urllib3 tries to read
        raise fetch_failure(ErrorCode.RESPONSE_TRUNCATED, place.url, "no chunk length") from None


def _status_failure(code: ErrorCode, place: Url, response: requests.Response) -> FailureError:
    status, headers = response.status_code, response.headers
    failure = fetch_failure(code, place.url, f"HTTP {status}").failure
    wait_s = retry_after_s(headers.get("Retry-After"), headers.get("Date"))
    return FailureError(replace(failure, http_status=status, retry_after_s=wait_s))


def _detail(error: Exception) -> str:
    """Say what happened: a socket in its own words, others by name, for their text has whole URLs in it."""
    told = telling(error)
    own_words = isinstance(told, OSError) and not isinstance(told, requests.RequestException)
    return str(told) if own_words else type(told).__name__
