"""Read a response until the thread's deadline, and tolerate what browsers and curl tolerate."""

import http.client
import math
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from http import HTTPStatus
from http.client import HTTPResponse
from io import BufferedReader, RawIOBase
from time import monotonic
from typing import Final

from typing_extensions import Buffer

# One value per thread: neither requests nor urllib3 has an argument that passes a deadline to the socket.
_DEADLINE: ContextVar[float] = ContextVar("deadline", default=math.inf)


@contextmanager
def finished_within(timeout_s: float) -> Iterator[None]:
    """Give this thread `timeout_s` seconds for the exchanges in the block; later reads raise TimeoutError.

    A lookup of a host name cannot be interrupted: it takes as long as the resolver needs.
    """
    outer = _DEADLINE.set(min(_DEADLINE.get(), monotonic() + timeout_s))
    try:
        yield
    finally:
        _DEADLINE.reset(outer)


def time_left_s(at_most_s: float | None) -> float | None:
    """Give the seconds until this thread's deadline, at most `at_most_s`; None means without limit.

    Raises:
        TimeoutError: the deadline has passed.
    """
    left_s = min(_DEADLINE.get() - monotonic(), math.inf if at_most_s is None else at_most_s)
    if left_s <= 0:
        raise TimeoutError("the deadline has passed")
    return None if math.isinf(left_s) else left_s


class DeadlineResponse(HTTPResponse):
    """Reads a response, from the status line on, until the deadline; a connection's `response_class`."""

    def __init__(
        self, sock: socket.socket, debuglevel: int = 0, method: str | None = None, url: str | None = None
    ) -> None:
        super().__init__(sock, debuglevel, method, url)
        self.fp = BufferedReader(_UntilDeadline(sock, self.fp.detach()))


class _UntilDeadline(RawIOBase):
    """The socket's raw stream; each read ends at the read timeout or at the deadline, whichever is first."""

    def __init__(self, sock: socket.socket, stream: RawIOBase) -> None:
        self._sock = sock
        self._stream = stream
        self._read_timeout_s = sock.gettimeout()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer, /) -> int | None:
        self._sock.settimeout(time_left_s(self._read_timeout_s))
        return self._stream.readinto(buffer)

    def close(self) -> None:
        self._stream.close()
        super().close()


_MOST_HEADER_LINES: Final = 1000
"""Largest number of header lines, of at most 64 KB each.

`http.client` allows 100, but the policies of a content delivery network alone can take more.
"""

# Before Python 3.15, http.client has no argument for this limit. It limits memory, in the whole process.
http.client._MAXHEADERS = _MOST_HEADER_LINES  # type: ignore[attr-defined]  # noqa: SLF001


class LenientResponse(DeadlineResponse):
    """Reads a response as browsers do: a connection's `response_class`."""

    def begin(self) -> None:
        """Read up to the final response's body; interim responses come before it (RFC 9110, section 15.2).

        After 101 the server speaks another protocol, so no further response follows.
        """
        super().begin()
        while self.status < HTTPStatus.OK and self.status != HTTPStatus.SWITCHING_PROTOCOLS:
            self.headers = None  # type: ignore[assignment]  # this makes `begin` read on
            super().begin()
        if self.length is None and not self.chunked:
            self.length = _agreed_length(self.headers.get("Content-Length", ""))


def _agreed_length(content_length: str) -> int | None:
    """Read a length that was sent several times with the same value (RFC 9110, section 8.6); else None."""
    lengths = {part.strip() for part in content_length.split(",")}
    length = lengths.pop()
    return int(length) if not lengths and length.isascii() and length.isdecimal() else None
