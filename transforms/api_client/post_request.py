"""Send one request to the service, and read its reply whole: bounded in time and in decoded bytes."""

from dataclasses import dataclass, replace
from typing import Final

import requests
import urllib3.exceptions

from schemas.errors import ErrorCode
from schemas.values import Failure
from transforms.api_client.client_fault import client_fault
from transforms.api_client.reply import Reply
from transforms.image_fetch.deadline import finished_within

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
