"""The web API's client: a picklable description, live on the worker, that makes single calls."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from time import monotonic
from typing import Final
from urllib.parse import urlsplit

import requests
import urllib3.exceptions

from facebeam.schemas.errors import ErrorCode, RunError
from facebeam.schemas.values import Answer, Failure, FailureError, ImageRequest
from facebeam.transforms.api.client_fault import client_fault
from facebeam.transforms.api.reply import Reply, read_reply
from facebeam.transforms.api.session import api_session
from facebeam.transforms.api.token import Token, TokenReference
from facebeam.transforms.http.response import finished_within
from facebeam.transforms.sources.face_source import Attempt

_PATH: Final = "/face/analyze"
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_CHUNK_BYTES: Final = 64 * 1024
_FOREIGN: Final = (OSError, urllib3.exceptions.HTTPError, UnicodeError)
"""What sending and reading raise; requests' own exceptions are OSErrors."""


@dataclass(frozen=True, slots=True)
class AttemptLimits:
    """Bound one call.

    Args:
        connect_timeout_s: for one address, TLS included.
        read_timeout_s: the longest silence of the service.
        timeout_s: for all of it, to the last byte; only the name server takes its own time.
        max_bytes: of the decoded body.
    """

    connect_timeout_s: float = 10.0
    read_timeout_s: float = 60.0
    timeout_s: float = 75.0
    max_bytes: int = 4 * 1024 * 1024


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
    limits: AttemptLimits
    host: str

    def post(self, body: bytes) -> Reply | Failure:
        """Send one call. A failure is returned: raised, it would drag along the request with the token."""
        prepared = self.template.copy()
        prepared.prepare_body(body, None)
        timeout_s = (self.limits.connect_timeout_s, self.limits.read_timeout_s)
        try:
            with (
                finished_within(self.limits.timeout_s),
                self.session.send(
                    prepared,
                    stream=True,
                    timeout=timeout_s,
                    allow_redirects=False,
                    proxies=self.session.proxies,
                ) as response,
            ):
                return self._reply(response)
        except _FOREIGN as error:
            return client_fault(error, self.host)

    def _reply(self, response: requests.Response) -> Reply | Failure:
        """Read the body; of an error the status tells enough where its body breaks."""
        body = self._body(response)
        if not isinstance(body, Failure):
            return Reply(response.status_code, response.headers, body)
        without_body = Reply(response.status_code, response.headers, b"")
        return replace(body, http_status=without_body.status) if without_body.is_success else without_body

    def _body(self, response: requests.Response) -> bytes | Failure:
        body = bytearray()
        try:
            for chunk in response.iter_content(_CHUNK_BYTES):
                body += chunk
                if len(body) > self.limits.max_bytes:
                    return self._broken(ErrorCode.INVALID_RESPONSE, f"over {self.limits.max_bytes} bytes")
        except _FOREIGN as error:
            return replace(client_fault(error, self.host), maybe_billed=True)
        except ValueError:  # a chunk of negative length, which urllib3 tries to read
            return self._broken(ErrorCode.RESPONSE_TRUNCATED, "no chunk length")
        return bytes(body)

    def _broken(self, code: ErrorCode, detail: str) -> Failure:
        message = f"{self.host}: {detail} ({code.meaning})"
        return Failure(code, message, stage="annotate", maybe_billed=True)


@dataclass(frozen=True)
class ApiClient:
    """Describe whom to ask and how; `open` makes it live on the worker.

    Args:
        base_url: the service; `/face/analyze` is below it.
        token: where the token lies.
        face_model_version: always sent, since the service's own default depends on the account.
        pool_size: connections kept; no fewer than threads that ask, or they reconnect.
        limits: seconds and bytes that one call may take.
        trust_proxies: go through the proxies that the environment names.
        ca_data: certificates to trust besides the usual ones, in PEM.
    """

    base_url: str = "https://api.acedata.cloud"
    token: TokenReference = field(default_factory=TokenReference)
    face_model_version: str = "3.0"
    pool_size: int = 64
    limits: AttemptLimits = field(default_factory=AttemptLimits)
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
    def open(self) -> Iterator[Attempt]:
        """Resolve the token and open the connections; leaving the context closes them.

        Raises:
            RunError: there is no token, or `base_url` is no URL.
        """
        token = self.token.resolve()
        url = self.base_url.rstrip("/") + _PATH
        with api_session(
            url, self.pool_size, trust_proxies=self.trust_proxies, ca_data=self.ca_data
        ) as session:
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


def _ask(client: ApiClient, poster: Poster, token: Token, request: ImageRequest) -> Answer:
    began = monotonic()
    reply = poster.post(request_body(request, client.face_model_version))
    if isinstance(reply, Failure):
        raise FailureError(reply)
    answer = read_reply(token.masked_reply(reply), client.face_model_version)
    if isinstance(answer, Failure):
        raise FailureError(answer)
    return replace(answer, latency_ms=(monotonic() - began) * 1000)
