"""Log one line per request: path, result and time, but no query, token or header."""

from dataclasses import asdict, dataclass
from time import monotonic
from typing import Final
from uuid import uuid4

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from facebeam.runners.logs import LOGGER
from facebeam.transforms.http.shown_text import shown_url

_NOT_LOGGED: Final = "/healthz"
"""Monitoring asks for it every few seconds."""


@dataclass
class Call:
    """One request, with what its log line shows."""

    trace_id: str
    method: str
    path: str
    status: int = 0
    """HTTP status; 0 if the caller closed the connection before the answer."""
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
    """Give the `Call` of a request, so that handlers can add to its log line."""
    call: Call = request.state.call
    return call


class AccessLog:
    """An ASGI application around another one: it gives each request a trace id, and logs it at its end."""

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
