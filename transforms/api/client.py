"""The web API's client: a picklable description, live on the worker, that makes single calls."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from time import monotonic
from typing import Final
from urllib.parse import urlsplit

import requests
from requests.utils import get_environ_proxies

from facebeam.schemas.errors import ErrorCode, RunError
from facebeam.schemas.values import Failure, FailureError, FoundFaces, ImageRequest
from facebeam.transforms.api.reply import Reply, read_reply
from facebeam.transforms.api.token import Token, TokenReference
from facebeam.transforms.http.addresses import any_address
from facebeam.transforms.http.errors import FOREIGN, error_code, error_text, is_maybe_sent
from facebeam.transforms.http.exchange import HttpLimits, TooManyBytesError, exchange, read_body
from facebeam.transforms.http.session import http_session
from facebeam.transforms.http.shown_text import kept_text

__all__ = ["ApiClient"]

_PATH: Final = "/face/analyze"
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
CALL_LIMITS: Final = HttpLimits(read_timeout_s=60.0, timeout_s=75.0, max_bytes=4 * 1024 * 1024)
"""What one call may take unless the user says otherwise."""

Call = Callable[[ImageRequest], FoundFaces]
"""Send one call; `latency_ms` is from sending it to its last byte. Raises FailureError."""


@dataclass(frozen=True, slots=True)
class Poster:
    """What the threads share to send by.

    Args:
        session: the connections.
        template: a prepared POST, whole but for its body.
        host: names the service in messages.
    """

    session: requests.Session
    template: requests.PreparedRequest
    limits: HttpLimits
    host: str

    def post(self, body: bytes) -> Reply | Failure:
        """Send one call. A failure is returned: raised, it would drag along the request with the token."""
        prepared = self.template.copy()
        prepared.prepare_body(body, None)
        try:
            with exchange(self.session, prepared, self.limits) as response:
                return self._reply(response)
        except FOREIGN as error:
            return client_fault(error, self.host)

    def _reply(self, response: requests.Response) -> Reply | Failure:
        """Read the body; of an error the status tells enough where its body breaks."""
        try:
            body = read_body(response, self.limits.max_bytes)
        except (TooManyBytesError, *FOREIGN) as error:
            without_body = Reply(response.status_code, response.headers, b"")
            if not without_body.is_success:
                return without_body
            fault = client_fault(error, self.host)
            return replace(fault, http_status=without_body.status, maybe_billed=True)
        return Reply(response.status_code, response.headers, body)


_HERE: Final = {
    ErrorCode.INVALID_MANIFEST_ROW: ErrorCode.API_NOT_IMPLEMENTED,  # the URL is --base-url
    ErrorCode.TOO_MANY_REDIRECTS: ErrorCode.HTTP_ERROR,  # none is followed
}


def client_fault(error: Exception, host: str) -> Failure:
    """Translate what ended a call without a whole answer; told are an exception's class and a socket's words.

    >>> client_fault(requests.ConnectTimeout(), "api.example.com").maybe_billed
    False
    """
    if isinstance(error, TooManyBytesError):
        code, detail = ErrorCode.INVALID_RESPONSE, str(error)
    else:
        found, detail = error_code(error), error_text(error)
        code = _HERE.get(found, found)
    message = kept_text(f"{host}: {detail} ({code.meaning})")
    return Failure(code, message, stage="annotate", maybe_billed=is_maybe_sent(error))


@dataclass(frozen=True)
class ApiClient:
    """Describe whom to ask and how; `open` makes it live on the worker.

    Args:
        base_url: the service; `/face/analyze` is below it.
        token: where the token lies.
        face_model_version: always sent, since the service's own default depends on the account.
        pool_size: connections kept; no fewer than threads that ask, or they reconnect.
        limits: seconds and bytes that one call may take.
        trust_proxies: go through the proxies that the environment names (`HTTPS_PROXY`, `NO_PROXY`, ...).
            Nothing else is taken from there: a netrc would replace the token.
        ca_data: certificates to trust besides the usual ones, in PEM.
    """

    base_url: str = "https://api.acedata.cloud"
    token: TokenReference = field(default_factory=TokenReference)
    face_model_version: str = "3.0"
    pool_size: int = 64
    limits: HttpLimits = CALL_LIMITS
    trust_proxies: bool = False
    ca_data: str = ""

    @property
    def identity(self) -> str:
        """Who is asked, down to the version; `https://HOST:443/` is `https://host`."""
        parts = urlsplit(self.base_url)
        port = "" if parts.port in {None, _DEFAULT_PORTS.get(parts.scheme)} else f":{parts.port}"
        return (
            f"api {parts.scheme}://{parts.hostname}{port}{parts.path.rstrip('/')} {self.face_model_version}"
        )

    @contextmanager
    def open(self) -> Iterator[Call]:
        """Resolve the token and open the connections; leaving the context closes them.

        Raises:
            RunError: there is no token, or `base_url` is no URL.
        """
        token = self.token.resolve()
        url = self.base_url.rstrip("/") + _PATH
        proxies = get_environ_proxies(url) if self.trust_proxies else {}
        with http_session(any_address, self.pool_size, self.ca_data, proxies) as session:
            template = _template(session, url, token)
            poster = Poster(session, template, self.limits, urlsplit(url).netloc)
            yield partial(_ask, self, poster, token)


def _template(session: requests.Session, url: str, token: Token) -> requests.PreparedRequest:
    """Prepare all of the request but its body, once for all calls."""
    session.headers.clear()
    headers = {
        "authorization": token.authorization(),
        "accept": "application/json",
        "content-type": "application/json",
        "Accept-Encoding": "gzip",
        "User-Agent": "facebeam",
    }
    try:
        return session.prepare_request(requests.Request("POST", url, headers))
    except (requests.RequestException, UnicodeError) as error:
        raise RunError(f"{url} is no URL ({type(error).__name__}): correct --base-url") from None


def request_body(request: ImageRequest, face_model_version: str) -> bytes:
    """Write a request as the contract has it: every parameter, and nothing else."""
    fields = {
        "image_url": request.image_url,
        "mode": request.mode,
        "face_model_version": face_model_version,
        "need_rotate_detection": request.need_rotate_detection,
    }
    return json.dumps(fields).encode()


def _ask(client: ApiClient, poster: Poster, token: Token, request: ImageRequest) -> FoundFaces:
    began = monotonic()
    reply = poster.post(request_body(request, client.face_model_version))
    if isinstance(reply, Failure):
        raise FailureError(reply)
    latency_ms = (monotonic() - began) * 1000
    found = read_reply(token.masked_reply(reply), client.face_model_version, latency_ms)
    if isinstance(found, Failure):
        raise FailureError(found)
    return found
