"""Download an image over HTTP, within limits of time and size; check each redirect like the first URL."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from time import monotonic
from typing import Final
from urllib.parse import unquote_to_bytes

import requests
from requests.auth import HTTPBasicAuth
from requests.cookies import RequestsCookieJar

from facebeam.schemas.errors import ErrorCode
from facebeam.schemas.values import FailureError
from facebeam.transforms.http.errors import FOREIGN, error_code, error_text
from facebeam.transforms.http.exchange import HttpLimits, TooManyBytesError, exchange, read_body
from facebeam.transforms.http.response import finished_within
from facebeam.transforms.http.shown_text import shown_url
from facebeam.transforms.http.status import image_status_code, retry_after_s
from facebeam.transforms.http.web_place import WebPlace, redirect_target, web_place
from facebeam.transforms.images.fetch_failure import fetch_failure, too_large
from facebeam.transforms.images.host_turns import HostTurns

_CODINGS: Final = frozenset({"br", "compress", "dcb", "dcz", "x-compress", "zstd"})
"""Content codings of IANA's registry that urllib3 cannot decode, or decodes only with another package."""


def _image_bytes(place: WebPlace, response: requests.Response, max_bytes: int) -> bytes:
    """Read the image from a response."""
    if code := image_status_code(response.status_code):
        raise _status_failure(code, place, response)
    _keep_known_codings(place, response)
    try:
        return read_body(response, max_bytes)
    except TooManyBytesError as error:
        raise too_large(place.url, str(error), max_bytes) from None


def _keep_known_codings(place: WebPlace, response: requests.Response) -> None:
    """Remove from the header what is not a content coding: `gzip, identity` is decoded as gzip.

    A label that is not a coding at all, such as `utf-8`, is a mistake of the server and is ignored too.
    """
    headers, decoded = response.raw.headers, response.raw.CONTENT_DECODERS
    codings = [coding.strip() for coding in headers.get("Content-Encoding", "").lower().split(",")]
    if unread := _CODINGS.intersection(codings).difference(decoded):
        detail = f"Content-Encoding {', '.join(sorted(unread))} was not asked for and is not supported"
        raise fetch_failure(ErrorCode.HTTP_ERROR, place.url, detail, "have the host send the image as it is")
    headers["Content-Encoding"] = ", ".join(coding for coding in codings if coding in decoded)


def _status_failure(code: ErrorCode, place: WebPlace, response: requests.Response) -> FailureError:
    status, headers = response.status_code, response.headers
    failure = fetch_failure(code, place.url, f"HTTP {status}").failure
    wait_s = retry_after_s(headers.get("Retry-After"), headers.get("Date"), datetime.now(UTC))
    return FailureError(replace(failure, http_status=status, retry_after_s=wait_s))


_MAX_REDIRECTS: Final = 20  # as browsers
DOWNLOAD_LIMITS: Final = HttpLimits(read_timeout_s=30.0, timeout_s=60.0, max_bytes=32 * 1024 * 1024)
"""Default limits of one download; the time that it waits for turns does not count."""


def download_image(session: requests.Session, url: str, limits: HttpLimits, turns: HostTurns) -> bytes:
    """Download the image at an http or https URL; follow at most twenty redirects.

    The user and password of a URL are sent only to its own scheme, host and port. Each request waits for a
    turn at its host.

    Raises:
        FailureError: the image cannot be downloaded.
    """
    try:
        home = web_place(url)
    except ValueError:
        raise fetch_failure(ErrorCode.INVALID_MANIFEST_ROW, url, "not a valid URL") from None
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
    """The URL in the manifest, with user and password."""
    limits: HttpLimits
    cookies: RequestsCookieJar = field(default_factory=RequestsCookieJar)
    """Cookies that hosts have set during this download; other downloads do not get them."""

    def ask(self, place: WebPlace) -> bytes | WebPlace:
        """Give the body at a place, or the place that it redirects to."""
        with self._asked(place) as response:
            if response.is_redirect:
                location = response.raw.headers.getlist("Location")[0]  # requests joins repeated ones
                return _redirect_target(place, location)
            return _image_bytes(place, response, self.limits.max_bytes)

    @contextmanager
    def _asked(self, place: WebPlace) -> Iterator[requests.Response]:
        try:
            asked = requests.Request("GET", place.url, auth=self._auth(place), cookies=self.cookies)
            prepared = self.session.prepare_request(asked)
            prepared.url = place.url  # requests has respelled it
            with exchange(self.session, prepared, self.limits) as response:
                self.cookies.update(response.cookies)
                yield response
        except FOREIGN as error:  # from None: its text has the URL's query, which may be a secret
            raise fetch_failure(self._code(error, place), place.url, error_text(error)) from None

    def _auth(self, place: WebPlace) -> HTTPBasicAuth | None:
        if self.home.auth is None or place.origin != self.home.origin:
            return None
        user, _, password = self.home.auth.partition(":")
        return HTTPBasicAuth(unquote_to_bytes(user), unquote_to_bytes(password))

    def _code(self, error: Exception, place: WebPlace) -> ErrorCode:
        """Give the error code; an invalid URL in a redirect is not an invalid row of the manifest."""
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
