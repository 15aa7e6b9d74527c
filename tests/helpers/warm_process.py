"""The console script in processes that fork from one that has already imported Beam.

As for a user, each run is a process with its own memory, signals, files and exit code. Only the imports,
two thirds of a short run, are not repeated. These runs do not test how an interpreter starts and ends.
"""

import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from subprocess import CompletedProcess, TimeoutExpired
from tempfile import TemporaryDirectory
from typing import Final, TextIO

_IMPORTED: Final = (
    *("facebeam.runners.in_process", "facebeam.runners.plan", "facebeam.runners.replay"),
    *("facebeam.transforms.sources.local_source", "rich.live"),
)
_PROCESSES: Final = get_context("forkserver")
_PROCESSES.set_forkserver_preload([*_IMPORTED])


@dataclass(frozen=True)
class Command:
    """A command line of `facebeam`, and where it runs.

    Args:
        arguments: the arguments of `facebeam`.
        env: all environment variables of the process.
        cwd: the process's working folder. None: the same as for the tests.
        prepare: a function that the new process imports and calls first. None: no function.
    """

    arguments: Sequence[str]
    env: Mapping[str, str]
    cwd: Path | None = None
    prepare: Callable[[], None] | None = None

    def carry_out(self, stdout: Path, stderr: Path) -> None:
        """Turn this process into `facebeam`, and exit when it ends."""
        os.setsid()
        for path, descriptor in ((stdout, 1), (stderr, 2)):
            opened = os.open(path, os.O_WRONLY | os.O_CREAT)
            os.dup2(opened, descriptor)
            os.close(opened)
        os.environ.clear()
        os.environ.update(self.env)
        os.chdir(self.cwd or Path.cwd())
        sys.argv = ["facebeam", *self.arguments]
        if self.prepare:
            self.prepare()
        from facebeam.runners.cli import main  # noqa: PLC0415 - only the new process needs it

        sys.exit(main())


class WarmProcess:
    """A process that runs `facebeam` in its own session; it is used like `subprocess.Popen`."""

    stderr: TextIO
    """What the process writes to stderr; only `running_warm` sets it."""

    def __init__(self, command: Command, stdout: Path, stderr: Path) -> None:
        self._command = command
        self._process = _PROCESSES.Process(target=command.carry_out, args=(stdout, stderr))
        self._process.start()

    @property
    def pid(self) -> int:
        """The id of the process, and of its process group."""
        assert self._process.pid is not None
        return self._process.pid

    def poll(self) -> int | None:
        """Give the exit code, minus the signal that killed it, or None while it runs."""
        return self._process.exitcode

    def wait(self, within_s: float) -> int:
        """Wait for the process to end and give its exit code; raise TimeoutExpired if it goes on."""
        self._process.join(within_s)
        if self._process.exitcode is None:
            raise TimeoutExpired(self._command.arguments, within_s)
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        """Send a signal to this process, not to its group."""
        os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill this process; its children go on."""
        self.send_signal(signal.SIGKILL)

    def kill_group(self) -> None:
        """Kill the process and its children, if they still run."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.join()


def run_warm(command: Command, within_s: float) -> CompletedProcess[str]:
    """Run `facebeam` to its end, as `subprocess.run` does; raise TimeoutExpired if it goes on."""
    with TemporaryDirectory() as folder:
        stdout, stderr = Path(folder) / "stdout", Path(folder) / "stderr"
        process = WarmProcess(command, stdout, stderr)
        try:
            code = process.wait(within_s)
        finally:
            process.kill_group()
        return CompletedProcess(command.arguments, code, stdout.read_text(), stderr.read_text())


@contextmanager
def running_warm(command: Command) -> Iterator[WarmProcess]:
    """Start `facebeam`; kill it and its children at the end."""
    with TemporaryDirectory() as folder:
        pipe = Path(folder) / "stderr"
        os.mkfifo(pipe)
        process = WarmProcess(command, Path(os.devnull), pipe)
        try:
            with pipe.open() as process.stderr:
                yield process
        finally:
            process.kill_group()
