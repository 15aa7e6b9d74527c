"""HTTP/1.1 by uvicorn, bounded: in connections, and in the time that a request's head may take."""

import json
from asyncio import AbstractEventLoop, TimerHandle
from typing import Final
from uuid import uuid4

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from runners.descriptors import OWN, raise_limit
from runners.logs import LOGGER
from runners.service.refusal import STATUSES, Refusal
from schemas.errors import ErrorCode

MAX_HEAD_S: Final = 10.0
"""As much as the body gets."""
MOST_CONNECTIONS: Final = 4096


def most_connections() -> int:
    """Give how many connections there may be: fewer than files that this process may open."""
    return max(1, raise_limit(MOST_CONNECTIONS + OWN) - OWN)


class BoundedHTTP(H11Protocol):
    """One connection. It is refused when there are too many, and closed when its head does not come."""

    most: int = MOST_CONNECTIONS
    """Connections at a time; set by the server before it listens."""
    _late: TimerHandle | None = None

    def data_received(self, data: bytes) -> None:
        """Take bytes; from the first of a head on, the rest has so long to come."""
        if self._is_too_many:
            self._refuse(ErrorCode.TOO_MANY_REQUESTS, f"{self.most} connections are open already")
            return
        super().data_received(data)
        if self._late:
            self._late.cancel()
            self._late = None
        if self._waits_for_head():
            self._watch_head()

    def connection_made(self, transport: object) -> None:
        """Begin; a connection that says nothing is closed too."""
        super().connection_made(transport)  # type: ignore[arg-type]  # uvicorn narrows asyncio's own type
        self._since = self.loop.time()
        self._is_too_many = len(self.connections) > self.most
        self._watch_head()

    def on_response_complete(self) -> None:
        """Begin to wait for the next head."""
        self._since = self.loop.time()
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is not HTTP in the contract's shape."""
        self._refuse(ErrorCode.BAD_REQUEST, msg)

    def _waits_for_head(self) -> bool:
        return self.conn.their_state is h11.IDLE and not self.transport.is_closing()

    def _watch_head(self) -> None:
        loop: AbstractEventLoop = self.loop
        self._late = loop.call_at(self._since + MAX_HEAD_S, self._close_late)

    def _close_late(self) -> None:
        if self._waits_for_head():
            self._refuse(ErrorCode.BAD_REQUEST, f"the request's head did not come within {MAX_HEAD_S:.0f} s")

    def _refuse(self, code: ErrorCode, message: str) -> None:
        refusal = Refusal(code, message, str(uuid4()), retry_after_s=1)
        body = json.dumps(refusal.body).encode()
        head = {
            "content-type": "application/json",
            "content-length": str(len(body)),
            "x-trace-id": refusal.trace_id,
            "connection": "close",
            **(refusal.headers if code is ErrorCode.TOO_MANY_REQUESTS else {}),
        }
        status = STATUSES[code]
        lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
        self.transport.write(f"HTTP/1.1 {status} {status.phrase}\r\n{lines}\r\n".encode() + body)
        self.transport.close()
        LOGGER.debug("refused a connection: %s", message)
