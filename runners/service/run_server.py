"""Bring the parts of the server up, run it until it is asked to stop, and take them down in order."""

import asyncio
import os
import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import FrameType
from typing import Final

from uvicorn import Config, Server

from runners.authorities import authorities
from runners.image_fetcher import image_fetcher
from runners.logs import LOGGER
from runners.service.accepted_tokens import AcceptedTokens
from runners.service.admission import RateCeiling, WaitingRoom
from runners.service.bounded_http import BoundedHTTP, most_connections
from runners.service.face_analyze import FaceAnalyze
from runners.service.model_workers import ModelWorkers
from runners.service.serve_options import ServeOptions
from runners.service.web_app import web_app

DOWNLOADS: Final = 16
"""Images that are fetched while others are looked at; so many and the workers' are held in memory."""
GRACE_S: Final = 75
"""What requests under way are given to end after a signal: the longest download, and a wait."""
STOPPED: Final = 0
STOPPED_AT_ONCE: Final = 130


def run_server(options: ServeOptions, tokens: AcceptedTokens, listener: socket.socket) -> int:
    """Serve on a listening socket until SIGINT or SIGTERM.

    Requests under way are answered first; a second Ctrl-C ends the process at once, and with it its workers.

    Raises:
        RunError: a model could not be loaded.
    """
    at_work = options.workers + DOWNLOADS
    fetcher = image_fetcher(options, authorities(options.ca_file, {}))
    at_once = replace(
        fetcher.host_limits, longest_wait_s=0.0
    )  # a caller waits for no host that asked for a pause
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
    return STOPPED


class _Server(Server):
    _said: str | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Have what the event loop reports said once, and not again until something else comes."""
        asyncio.get_running_loop().set_exception_handler(self._say_once)
        await super().startup(sockets)

    def _say_once(self, _loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        said = f"{context.get('message')}: {context.get('exception')}"
        if said != self._said:
            LOGGER.error("%s", said)
        self._said = said

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """End the process at a second Ctrl-C: uvicorn waits for open connections since Python 3.12."""
        super().handle_exit(sig, frame)
        if self.force_exit:
            os._exit(STOPPED_AT_ONCE)


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
    """Stop in order before uvicorn listens for signals, and after: it raises again those that stopped it."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        server.should_exit = True

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)


def _origin(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
