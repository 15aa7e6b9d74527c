"""One line a request: what was asked, what came of it, how long it took; no query, no token, no header."""

from dataclasses import asdict, dataclass
from time import monotonic
from typing import Final
from uuid import uuid4

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from facebeam.runners.logs import LOGGER
from facebeam.transforms.http.shown_text import shown_url

_NOT_LOGGED: Final = "/healthz"
"""Asked for every few seconds by whatever watches the server."""


@dataclass
class Call:
    """One request as its log line tells it."""

    trace_id: str
    method: str
    path: str
    status: int = 0
    """Stays 0 where the caller hung up before the answer."""
    code: str | None = None
    faces: int | None = None
    image: str | None = None
    """The image's URL without its secrets."""
    ms: float = 0.0

    def __str__(self) -> str:
        faces = None if self.faces is None else f"faces {self.faces}"
        said = [self.status, self.method, self.path, f"{self.ms:.0f} ms", self.code, faces, self.image]
        return " ".join(str(word) for word in [*said, self.trace_id] if word is not None)


def call_of(request: Request) -> Call:
    """Give the log's line of a request, to be filled in."""
    call: Call = request.state.call
    return call


class AccessLog:
    """An ASGI application around another: gives each request a trace id, and logs it once it is answered."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        call = Call(str(uuid4()), scope["method"], shown_url(scope["path"]))
        scope.setdefault("state", {})["call"] = call
        started = monotonic()

        async def send_traced(message: Message) -> None:
            if message["type"] == "http.response.start":
                call.status = message["status"]
                message["headers"] = [*message["headers"], (b"x-trace-id", call.trace_id.encode())]
            await send(message)

        try:
            await self._app(scope, receive, send_traced)
        finally:
            call.ms = round((monotonic() - started) * 1000, 1)
            if call.path != _NOT_LOGGED:
                LOGGER.info("%s", call, extra={"fields": asdict(call)})
