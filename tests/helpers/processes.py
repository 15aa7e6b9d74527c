"""Processes that live as long as a test needs them."""

import os
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep
from typing import IO

_STARTS_WITHIN_S = 180

Output = int | IO[bytes] | None
"""Where a process writes, as in `subprocess`; None: to the same place as the tests."""


@contextmanager
def running(
    command: Sequence[object],
    *,
    stdout: Output = None,
    stderr: Output = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Iterator[subprocess.Popen[str]]:
    """Start a command in its own session; kill it and its children at the end."""
    arguments = [str(argument) for argument in command]
    with subprocess.Popen(
        arguments, stdout=stdout, stderr=stderr, env=env, cwd=cwd, text=True, start_new_session=True
    ) as process:
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


@contextmanager
def serving(
    command: Sequence[object], port: int, log: Path, env: Mapping[str, str] | None = None
) -> Iterator[str]:
    """Start a server in the log's folder, wait for its port, and give its address."""
    with (
        log.open("ab") as output,
        running(command, stdout=output, stderr=output, env=env, cwd=log.parent),
    ):
        wait_for_port(port)
        yield f"127.0.0.1:{port}"


def free_port() -> int:
    """Find a port of the loopback on which no program listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def wait_for_port(port: int, within_s: float = _STARTS_WITHIN_S) -> None:
    """Wait until a program accepts connections on a port of the loopback."""
    until = monotonic() + within_s
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if monotonic() > until:
                raise
            sleep(0.1)
        else:
            return
