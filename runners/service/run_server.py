"""Run the server with uvicorn until a signal; limit connections, and the time for a request's head."""

import asyncio
import json
import os
import signal
import socket
from asyncio import AbstractEventLoop, TimerHandle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import FrameType
from typing import Final
from uuid import uuid4

import h11
from uvicorn import Config, Server
from uvicorn.protocols.http.h11_impl import H11Protocol

from facebeam.runners.descriptors import OWN, raise_limit
from facebeam.runners.exit_codes import DONE, STOPPED
from facebeam.runners.image_fetcher import authorities, image_fetcher
from facebeam.runners.logs import LOGGER
from facebeam.runners.service.admission import AcceptedTokens, RateCeiling, WaitingRoom
from facebeam.runners.service.face_analyze import FaceAnalyze
from facebeam.runners.service.model_workers import ModelWorkers
from facebeam.runners.service.refusal import STATUSES, Refusal
from facebeam.runners.service.serve_options import ServeOptions
from facebeam.runners.service.web_app import web_app
from facebeam.schemas.errors import ErrorCode

MAX_HEAD_S: Final = 10.0
"""Time limit for a request's head, in seconds; the body has the same limit."""
MOST_CONNECTIONS: Final = 4096


def most_connections() -> int:
    """Give the largest number of connections, as far as this process may open files."""
    return max(1, raise_limit(MOST_CONNECTIONS + OWN) - OWN)


class BoundedHTTP(H11Protocol):
    """One connection. It is refused if there are too many, and closed if a request's head takes too long."""

    most: int = MOST_CONNECTIONS
    """Largest number of connections; the server sets it before it listens."""
    _late: TimerHandle | None = None

    def data_received(self, data: bytes) -> None:
        """Handle received bytes; while a head is incomplete, watch that it arrives in time."""
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
        """Start the time for the first head; a connection that sends nothing is closed too."""
        super().connection_made(transport)  # type: ignore[arg-type]  # uvicorn narrows asyncio's own type
        self._since = self.loop.time()
        self._is_too_many = len(self.connections) > self.most
        self._watch_head()

    def on_response_complete(self) -> None:
        """Start the time for the next head."""
        self._since = self.loop.time()
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer a request that is not HTTP, in the contract's shape."""
        self._refuse(ErrorCode.BAD_REQUEST, msg)

    def _waits_for_head(self) -> bool:
        return self.conn.their_state is h11.IDLE and not self.transport.is_closing()

    def _watch_head(self) -> None:
        loop: AbstractEventLoop = self.loop
        self._late = loop.call_at(self._since + MAX_HEAD_S, self._close_late)

    def _close_late(self) -> None:
        if self._waits_for_head():
            self._refuse(ErrorCode.BAD_REQUEST, f"the request's head took more than {MAX_HEAD_S:.0f} s")

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


DOWNLOADS: Final = 16
"""Images that are fetched while the workers process others; all of these are in memory."""
GRACE_S: Final = 75
"""Seconds that requests in progress may take after a signal: the longest download, and a wait."""


def run_server(options: ServeOptions, tokens: AcceptedTokens, listener: socket.socket) -> int:
    """Serve on a listening socket until SIGINT or SIGTERM.

    Requests in progress are answered first. A second Ctrl-C ends the process and its workers at once.

    Raises:
        RunError: a model could not be loaded.
    """
    at_work = options.workers + DOWNLOADS
    fetcher = image_fetcher(options, authorities(options.ca_file, {}))
    at_once = replace(
        fetcher.host_limits, longest_wait_s=0.0
    )  # a caller does not wait for a host that asked for a pause
    fetcher = replace(fetcher, window=at_work, host_limits=at_once)
    models, fetchers = ModelWorkers(options.workers), ThreadPoolExecutor(at_work, "fetch")
    with fetchers, fetcher.open() as fetch:
        ceiling, room = RateCeiling(options.rate), WaitingRoom(at_work, options.max_waiting)
        BoundedHTTP.most = most_connections()
        server = _server(FaceAnalyze(tokens, ceiling, room, fetch, fetchers, models))
        _stop_by_signal(server)
        with models:
            LOGGER.info("answering POST %s/face/analyze", _origin(listener))
            server.run([listener])
    return DONE


class _Server(Server):
    _said: str | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Log each error of the event loop only once in a row, since some are repeated many times."""
        asyncio.get_running_loop().set_exception_handler(self._say_once)
        await super().startup(sockets)

    def _say_once(self, _loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        said = f"{context.get('message')}: {context.get('exception')}"
        if said != self._said:
            LOGGER.error("%s", said)
        self._said = said

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """End the process at a second Ctrl-C: since Python 3.12, uvicorn would wait for open connections."""
        super().handle_exit(sig, frame)
        if self.force_exit:
            os._exit(STOPPED)


def _server(face_analyze: FaceAnalyze) -> _Server:
    config = Config(
        web_app(face_analyze),
        http=BoundedHTTP,
        lifespan="off",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=GRACE_S,
    )
    return _Server(config)


def _stop_by_signal(server: Server) -> None:
    """Handle signals before uvicorn does, and after: when it has stopped, it raises the signal again."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        server.should_exit = True

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)


def _origin(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
