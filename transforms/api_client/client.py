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

from schemas.errors import RunError
from schemas.values import Answer, Failure, FailureError, ImageRequest
from transforms.api_client.api_session import api_session
from transforms.api_client.bearer_token import Token
from transforms.api_client.post_request import AttemptLimits, Poster
from transforms.api_client.read_reply import read_reply
from transforms.api_client.token_reference import TokenReference
from transforms.face_source import Attempt

_PATH: Final = "/face/analyze"
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


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
