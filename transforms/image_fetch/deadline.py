"""Bound a whole HTTP exchange in time, down to its last byte.

A read timeout bounds one silence: a server that drips a byte a second, in its headers, its chunk sizes or its
body, never trips it. Here every read from the socket also ends at the deadline of its thread.
"""

import math
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from http.client import HTTPResponse
from io import BufferedReader, RawIOBase
from time import monotonic

from typing_extensions import Buffer

# A variable of the thread, since neither requests nor urllib3 has an argument that reaches the socket.
_DEADLINE: ContextVar[float] = ContextVar("deadline", default=math.inf)


@contextmanager
def finished_within(timeout_s: float) -> Iterator[None]:
    """Give this thread `timeout_s` seconds for the exchanges in the block; then reads raise TimeoutError.

    A lookup of a host name is the one step that cannot be cut short: it takes as long as the resolver does.
    """
    outer = _DEADLINE.set(min(_DEADLINE.get(), monotonic() + timeout_s))
    try:
        yield
    finally:
        _DEADLINE.reset(outer)


def time_left_s(at_most_s: float | None) -> float | None:
    """Give the seconds until this thread's deadline, at most `at_most_s`; None is for ever.

    Raises:
        TimeoutError: the deadline has passed.
    """
    left_s = min(_DEADLINE.get() - monotonic(), math.inf if at_most_s is None else at_most_s)
    if left_s <= 0:
        raise TimeoutError("the deadline has passed")
    return None if math.isinf(left_s) else left_s


class DeadlineResponse(HTTPResponse):
    """Read a response from status line to last byte until the deadline: a connection's `response_class`."""

    def __init__(
        self, sock: socket.socket, debuglevel: int = 0, method: str | None = None, url: str | None = None
    ) -> None:
        super().__init__(sock, debuglevel, method, url)
        self.fp = BufferedReader(_UntilDeadline(sock, self.fp.detach()))


class _UntilDeadline(RawIOBase):
    """The socket's raw stream; each read ends at the read timeout or the deadline, whichever is first."""

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
