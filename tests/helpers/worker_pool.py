"""Beam's worker pool in an environment that holds what a worker's image holds, nothing of this checkout."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from sysconfig import get_python_version

import pytest

from tests.helpers.console import ROOT
from tests.helpers.processes import free_port, serving

WORKER = ROOT / ".worker"
"""`make .worker/ready`: the hash-locked packages and our wheel, no source tree."""
BOOT = ROOT / ".boot" / "container"
"""The boot program of Beam's worker images, where Go could build it."""


def worker_environment() -> Path:
    """Give the workers' environment; skips the test where there is none for this version of Python."""
    python = f"python{get_python_version()}"
    if not ((WORKER / "ready").exists() and (WORKER / "lib" / python).is_dir()):
        pytest.skip(f"no worker environment with {python}: run 'make .worker/ready'")
    return WORKER


@contextmanager
def worker_pool(log: Path, env: Mapping[str, str] | None = None) -> Iterator[str]:
    """Start a pool and give its address; skips the test where there is no worker environment.

    Args:
        log: where pool and workers write; its folder is theirs to work in.
        env: what the workers see besides PATH and HOME: a token, an emulator's address.
    """
    worker_environment()
    port = free_port()
    main = "apache_beam.runners.worker.worker_pool_main"
    command = [WORKER / "bin/python", "-m", main, f"--service_port={port}"]
    boot = [f"--container_executable={BOOT}"] if BOOT.exists() else []
    with serving([*command, *boot], port, log, _environment() | dict(env or {})) as address:
        yield address


def _environment() -> dict[str, str]:
    """Give what an image would: no PYTHONPATH, and its own programs first."""
    return {
        "PATH": f"{WORKER / 'bin'}:{os.environ['PATH']}",
        "HOME": os.environ.get("HOME", "/"),
        "RUN_PYTHON_SDK_IN_DEFAULT_ENVIRONMENT": "1",
    }
