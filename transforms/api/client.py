"""The web API's client: a description that can be pickled, and that makes single calls on the worker."""

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
from facebeam.transforms.http.shown_text import shown_text

__all__ = ["ApiClient"]

_PATH: Final = "/face/analyze"
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
CALL_LIMITS: Final = HttpLimits(read_timeout_s=60.0, timeout_s=75.0, max_bytes=4 * 1024 * 1024)
"""Default limits of one call, in seconds and bytes."""

Call = Callable[[ImageRequest], FoundFaces]
"""Sends one call; its `latency_ms` is the time until the last byte of the answer. Raises FailureError."""


@dataclass(frozen=True, slots=True)
class Poster:
    """Sends prepared calls; all threads of a shard share it.

    Args:
        session: the connections.
        template: a prepared POST request without a body.
        limits: seconds and bytes that one call may take.
        host: the service's name in messages.
    """

    session: requests.Session
    template: requests.PreparedRequest
    limits: HttpLimits
    host: str

    def post(self, body: bytes) -> Reply | Failure:
        """Send one call. A failure is returned, not raised: an exception would carry the token along."""
        prepared = self.template.copy()
        prepared.prepare_body(body, None)
        try:
            with exchange(self.session, prepared, self.limits) as response:
                return self._reply(response)
        except FOREIGN as error:
            return client_fault(error, self.host)

    def _reply(self, response: requests.Response) -> Reply | Failure:
        """Read the body. If the body of an error cannot be read, its status is enough."""
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
    ErrorCode.INVALID_MANIFEST_ROW: ErrorCode.API_NOT_IMPLEMENTED,  # the URL comes from --base-url
    ErrorCode.TOO_MANY_REDIRECTS: ErrorCode.HTTP_ERROR,  # a call follows no redirect
}


def client_fault(error: Exception, host: str) -> Failure:
    """Translate an exception that ended a call before the whole answer was there.

    The message has a socket's own text, but only the class of other exceptions: their text may hold secrets.

    >>> client_fault(requests.ConnectTimeout(), "api.example.com").maybe_billed
    False
    """
    if isinstance(error, TooManyBytesError):
        code, detail = ErrorCode.INVALID_RESPONSE, str(error)
    else:
        found, detail = error_code(error), error_text(error)
        code = _HERE.get(found, found)
    message = shown_text(f"{host}: {detail} ({code.meaning})")
    return Failure(code, message, stage="annotate", maybe_billed=is_maybe_sent(error))


@dataclass(frozen=True)
class ApiClient:
    """Describes the service and how to call it; `open` on the worker gives the function that calls it.

    Args:
        base_url: address of the service; calls go to `/face/analyze` below it.
        token: where to find the token.
        face_model_version: sent with each call, since the service's own default depends on the account.
        pool_size: number of connections to keep open. With fewer connections than threads, threads have to
            reconnect.
        limits: seconds and bytes that one call may take.
        trust_proxies: whether to use the proxies that the environment names (`HTTPS_PROXY`, `NO_PROXY`, ...).
            Nothing else is taken from the environment: a netrc file would replace the token.
        ca_data: additional certificates to trust, in PEM.
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
        """The service's address and the model version; `https://HOST:443/` is written as `https://host`."""
        parts = urlsplit(self.base_url)
        port = "" if parts.port in {None, _DEFAULT_PORTS.get(parts.scheme)} else f":{parts.port}"
        return (
            f"api {parts.scheme}://{parts.hostname}{port}{parts.path.rstrip('/')} {self.face_model_version}"
        )

    @contextmanager
    def open(self) -> Iterator[Call]:
        """Read the token and open the connections; leaving the context closes them.

        Raises:
            RunError: there is no token, or `base_url` is not a valid URL.
        """
        token = self.token.resolve()
        url = self.base_url.rstrip("/") + _PATH
        proxies = get_environ_proxies(url) if self.trust_proxies else {}
        with http_session(any_address, self.pool_size, self.ca_data, proxies) as session:
            template = _template(session, url, token)
            poster = Poster(session, template, self.limits, urlsplit(url).netloc)
            yield partial(_ask, self, poster, token)


def _template(session: requests.Session, url: str, token: Token) -> requests.PreparedRequest:
    """Prepare the request without its body, once for all calls."""
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
        raise RunError(f"{url} is not a valid URL ({type(error).__name__}): correct --base-url") from None


def request_body(request: ImageRequest, face_model_version: str) -> bytes:
    """Encode a request as the contract defines it: every parameter, and nothing else."""
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
