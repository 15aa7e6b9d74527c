"""`facebeam serve` as its users run it: a separate process on a free port of the loopback."""

import json
import re
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPMessage
from pathlib import Path
from queue import Queue
from subprocess import PIPE, Popen
from threading import Thread
from typing import Any, NamedTuple

from tests.helpers.console import FACEBEAM
from tests.helpers.processes import running

BEARER = {"authorization": "Bearer any"}
START_S = 180.0
END_S = 180.0


class Reply(NamedTuple):
    """An answer of the server."""

    status: int
    headers: HTTPMessage
    body: Any
    """The JSON value in the body."""

    @property
    def code(self) -> str:
        """The error code, one of the API contract's."""
        error: dict[str, str] = self.body["error"]
        return error["code"]

    @property
    def message(self) -> str:
        """The error's message."""
        error: dict[str, str] = self.body["error"]
        return error["message"]


@contextmanager
def face_server(*flags: str) -> Iterator["FaceServer"]:
    """Start a server; stop it with SIGTERM at the end, unless it has stopped."""
    with running([FACEBEAM, "serve", "--port", "0", *flags], stderr=PIPE) as process:
        server = FaceServer(process)
        yield server
        if process.poll() is None:
            server.stop()


class FaceServer:
    """A running server; the constructor waits until the server prints its address."""

    def __init__(self, process: Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []
        """The lines that the server has written to stderr so far."""
        self._origins: Queue[str] = Queue()
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()
        self.origin = self._origins.get(timeout=START_S)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal that stops the server, and give its exit code."""
        self.process.send_signal(number)
        return self.ended()

    def ended(self) -> int:
        """Wait for the server to end, and give its exit code."""
        code = self.process.wait(END_S)
        self._reader.join(END_S)
        return code

    def ask(self, image_url: str, **parameters: object) -> Reply:
        """Request the faces of an image."""
        return self.post(json.dumps({"image_url": image_url, **parameters}).encode())

    def post(self, body: bytes, headers: Mapping[str, str] = BEARER) -> Reply:
        """Send a body to /face/analyze."""
        return self.send("POST", "/face/analyze", body, headers)

    def send(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] = BEARER
    ) -> Reply:
        """Send a request on a connection of its own."""
        connection = HTTPConnection(self.origin.removeprefix("http://"), timeout=END_S)
        try:
            connection.request(method, path, body, dict(headers))
            response = connection.getresponse()
            return Reply(response.status, response.headers, json.loads(response.read()))
        finally:
            connection.close()

    def worker_ids(self) -> list[int]:
        """List the ids of the worker processes, which hold the models (Linux only)."""
        children = Path(f"/proc/{self.process.pid}/task").glob("*/children")
        ids = [int(number) for listed in children for number in listed.read_text().split()]
        return [number for number in ids if b"spawn_main" in _command_line(number)]

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line.rstrip())
            if found := re.search(r"answering POST (http://\S+)/face/analyze", line):
                self._origins.put(found[1])


def _command_line(process_id: int) -> bytes:
    """Read the command line of a process; empty once the process is gone."""
    try:
        return Path(f"/proc/{process_id}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""
