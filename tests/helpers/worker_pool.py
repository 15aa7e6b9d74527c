"""Beam's worker pool, in an environment that holds the same as a worker's image and no source tree."""

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from sysconfig import get_python_version

import pytest

from tests.helpers.console import ROOT
from tests.helpers.processes import free_port, serving

WORKER = ROOT / ".worker"
"""The locked packages and our wheel, without a source tree; `make .worker/ready` makes it."""
BOOT = ROOT / ".boot" / "container"
"""The boot program of Beam's worker images; it exists only if Go could build it."""


def worker_environment() -> Path:
    """Give the workers' environment; skip the test if there is none for this version of Python."""
    python = f"python{get_python_version()}"
    if not ((WORKER / "ready").exists() and (WORKER / "lib" / python).is_dir()):
        pytest.skip(f"no worker environment with {python}: run 'make .worker/ready'")
    return WORKER


@contextmanager
def worker_pool(log: Path, env: Mapping[str, str] | None = None) -> Iterator[str]:
    """Start a pool and give its address; skip the test if there is no worker environment.

    Args:
        log: the file to which pool and workers write; its folder is their working folder.
        env: further environment variables of the workers, for example a token or an emulator's address.
    """
    worker_environment()
    port = free_port()
    main = "apache_beam.runners.worker.worker_pool_main"
    command = [WORKER / "bin/python", "-m", main, f"--service_port={port}"]
    boot = [f"--container_executable={BOOT}"] if BOOT.exists() else []
    with serving([*command, *boot], port, log, _environment() | dict(env or {})) as address:
        yield address


def kill_workers(pool: str) -> int:
    """Kill the Python processes in which a pool's workers run, not the pool and not Beam's boot program.

    Returns:
        The number of killed processes.
    """
    workers = worker_pids(pool)
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
    return len(workers)


def worker_pids(pool: str) -> list[int]:
    """Find the Python processes in which a pool's workers run; they are in the pool's session."""
    (main,) = _pids("--full", f"worker_pool_main --service_port={pool.rpartition(':')[2]}")
    return _pids("--session", main, "--full", "sdk_worker_main")


def _pids(*which: object) -> list[int]:
    command = ["pgrep", *map(str, which)]
    found = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    return [int(pid) for pid in found.stdout.split()]


def _environment() -> dict[str, str]:
    """Give the variables of a worker: those of its image, no PYTHONPATH, and its own programs first in PATH.

    Settings of OpenBLAS are passed on: with another kernel, the last digits of the local model's results
    would differ from those of a local run.
    """
    blas = {name: value for name, value in os.environ.items() if name.startswith("OPENBLAS_")}
    image = (ROOT / "deploy/Dockerfile").read_text().partition(" AS launcher")[0]
    pairs = (pair for line in image.splitlines() if line.startswith("ENV ") for pair in line.split()[1:])
    return (
        blas
        | dict(pair.split("=") for pair in pairs)
        | {"PATH": f"{WORKER / 'bin'}:{os.environ['PATH']}", "HOME": os.environ.get("HOME", "/")}
    )
