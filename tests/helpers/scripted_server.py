r"""A web server that does what a script says, byte by byte, over real sockets on the loopback.

def torn(exchange: Exchange) -> None:
    exchange.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort")

with ScriptedServer({"/torn": torn}) as server:
    fetch(server.url("/torn"))
assert server.seen[0].headers["Host"] == server.authority
"""

import socket
import ssl
import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPMessage, parse_headers
from threading import Event, Thread
from typing import BinaryIO, Self


@dataclass
class Exchange:
    """One request, and the connection to answer it on."""

    method: str
    target: str
    headers: HTTPMessage
    body: bytes
    connection: socket.socket
    server_closing: Event
    keep_alive: bool = False
    """Whether the connection stays open for another request; True only after a whole answer."""

    def answer(
        self, body: bytes = b"", status: str = "200 OK", headers: Mapping[str, str] | None = None
    ) -> None:
        """Send a whole, well-formed answer; a Content-Length among the headers replaces the true one."""
        lines = {"Content-Length": str(len(body))} | dict(headers or {})
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        self.keep_alive = True
        self.send(f"HTTP/1.1 {status}\r\n{head}\r\n")
        self.send(body)

    def send(self, data: bytes | str) -> None:
        """Send bytes as they are; the connection closes when the script ends."""
        self.connection.sendall(data.encode("latin-1") if isinstance(data, str) else data)

    def reset(self) -> None:
        """Make the connection end in a reset (RST) when the script ends."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def hang(self) -> None:
        """Send nothing until the server closes."""
        self.server_closing.wait()


Script = Callable[[Exchange], None]
"""Answers one request."""


def not_found(exchange: Exchange) -> None:
    """Answer 404 to a request whose path has no script."""
    exchange.answer(b"no script", "404 Not Found")


class ScriptedServer:
    """A server that runs the script of each request's path, with a thread per connection."""

    def __init__(
        self, scripts: Mapping[str, Script], host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
    ) -> None:
        self.scripts = scripts
        self.seen: list[Exchange] = []
        """Every request, in the order of arrival."""
        self.connections = 0
        """Connections accepted, also those that sent nothing."""
        self._tls = tls
        self._closing = Event()
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server((host, 0), backlog=128)
        self._address: tuple[str, int] = self._listener.getsockname()
        self.authority = f"{host}:{self._address[1]}"

    def url(self, path: str) -> str:
        """Give the URL of a path on this server."""
        return f"{'https' if self._tls else 'http'}://{self.authority}{path}"

    def __enter__(self) -> Self:
        self._listen()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._stop_listening()

    @contextmanager
    def away(self) -> Iterator[None]:
        """Refuse connections, and break those that are open, while the block runs."""
        self._stop_listening()
        for connection in [*self._open]:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        yield
        self._listener = socket.create_server(self._address, backlog=128)
        self._listen()

    def _listen(self) -> None:
        self._acceptor = Thread(target=self._accept, daemon=True)
        self._acceptor.start()

    def _stop_listening(self) -> None:
        with suppress(OSError):  # it is away
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes accept(), which close() alone does not
        self._acceptor.join()
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):  # the listener is closed
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        self._open.add(connection)
        with suppress(OSError), connection:  # the client closed the connection, as in many tests
            talk = self._tls.wrap_socket(connection, server_side=True) if self._tls else connection
            with talk, talk.makefile("rb") as stream:
                while self._serve_one(talk, stream):
                    pass

    def _serve_one(self, connection: socket.socket, stream: BinaryIO) -> bool:
        method, target, *_ = [*stream.readline().decode("latin-1").split(), "", ""]
        if not target:
            return False
        headers = parse_headers(stream)
        body = stream.read(int(headers.get("Content-Length", "0")))
        exchange = Exchange(method, target, headers, body, connection, self._closing)
        self.seen.append(exchange)
        self.scripts.get(exchange.target.partition("?")[0], not_found)(exchange)
        return exchange.keep_alive
