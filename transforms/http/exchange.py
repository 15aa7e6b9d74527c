"""Send a request and read its response, within limits of time and size."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final, Self

import requests

from facebeam.transforms.http.response import finished_within

_CHUNK_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpLimits:
    """Limits of one call or download.

    Args:
        connect_timeout_s: seconds to connect to one address, TLS included.
        read_timeout_s: longest time, in seconds, in which the server sends nothing.
        timeout_s: seconds until the last byte, redirects included; only a lookup of the host name may take
            longer.
        max_bytes: largest size of the decoded body.
    """

    connect_timeout_s: float = 10.0
    read_timeout_s: float
    timeout_s: float
    max_bytes: int

    def within(self, timeout_s: float | None) -> Self:
        """Give limits of `timeout_s` seconds, in all and for a silence of the server. None: unchanged."""
        if timeout_s is None:
            return self
        connect_s = min(self.connect_timeout_s, timeout_s)
        return replace(self, connect_timeout_s=connect_s, read_timeout_s=timeout_s, timeout_s=timeout_s)


@contextmanager
def exchange(
    session: requests.Session, request: requests.PreparedRequest, limits: HttpLimits
) -> Iterator[requests.Response]:
    """Send a request and give the response; its body can be read in the block.

    Raises:
        FOREIGN: exceptions of requests, urllib3 and sockets; see `transforms/http/errors.py`.
    """
    timeout_s = (limits.connect_timeout_s, limits.read_timeout_s)
    with (
        finished_within(limits.timeout_s),
        session.send(
            request, stream=True, timeout=timeout_s, allow_redirects=False, proxies=session.proxies
        ) as response,
    ):
        yield response


class TooManyBytesError(Exception):
    """A body is larger than allowed; the text gives its size, as far as it is known."""


def read_body(response: requests.Response, max_bytes: int) -> bytes:
    """Read and decode a body.

    Raises:
        TooManyBytesError: the body has more than `max_bytes`; the rest is not read.
        FOREIGN: the body is broken.
    """
    if (announced := response.raw.length_remaining or 0) > max_bytes:
        raise TooManyBytesError(f"{announced} bytes announced")
    body = bytearray()
    for chunk in _chunks(response):
        body += chunk
        if len(body) > max_bytes:
            raise TooManyBytesError(f"over {max_bytes} bytes sent")
    return bytes(body)


def _chunks(response: requests.Response) -> Iterator[bytes]:
    try:
        yield from response.iter_content(_CHUNK_BYTES)
    except ValueError:  # a chunk of negative length, which urllib3 tries to read
        raise requests.exceptions.ChunkedEncodingError("a chunk of negative length") from None
