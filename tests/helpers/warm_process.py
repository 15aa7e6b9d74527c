"""The console script in processes that fork from one in which Beam is imported already.

Each is a process of its own, as for a user: it has its own memory, signals, files and exit code. Only the
imports, two thirds of a short run, are not repeated. How an interpreter starts and ends is not seen here.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from multiprocessing import get_context
from pathlib import Path
from subprocess import CompletedProcess, TimeoutExpired
from tempfile import TemporaryDirectory
from typing import Final

_IMPORTED: Final = (
    "runners.in_process",
    "runners.plan",
    "runners.replay",
    "transforms.local_source",
    "rich.live",
)
_PROCESSES: Final = get_context("forkserver")
_PROCESSES.set_forkserver_preload([*_IMPORTED])


def run_warm(
    arguments: Sequence[str], env: Mapping[str, str], cwd: Path | None, within_s: float
) -> CompletedProcess[str]:
    """Run `facebeam` to its end, as `subprocess.run` would; raises TimeoutExpired."""
    with TemporaryDirectory() as folder:
        stdout, stderr = Path(folder) / "stdout", Path(folder) / "stderr"
        process = _PROCESSES.Process(
            target=_facebeam, args=(arguments, dict(env), cwd or Path.cwd(), stdout, stderr)
        )
        process.start()
        process.join(within_s)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise TimeoutExpired(arguments, within_s, stdout.read_bytes(), stderr.read_bytes())
        return CompletedProcess(arguments, process.exitcode, stdout.read_text(), stderr.read_text())


def _facebeam(
    arguments: Sequence[str], env: Mapping[str, str], cwd: Path, stdout: Path, stderr: Path
) -> None:
    for path, descriptor in ((stdout, 1), (stderr, 2)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), descriptor)
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    sys.argv = ["facebeam", *arguments]
    from runners.cli import main  # noqa: PLC0415 - in the child alone

    sys.exit(main())
