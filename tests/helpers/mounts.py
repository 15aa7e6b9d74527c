"""Commands that run with their own mounts, for example of a small or read-only file system."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.helpers.console import Finished

NO_MOUNT = 77


def mount_tmpfs(folder: Path, options: str) -> str:
    """Give the shell command that mounts an empty file system in memory, for `in_own_mounts`."""
    return f"mount -t tmpfs -o {options} none {folder} || exit {NO_MOUNT}"


def in_own_mounts(script: str, env: Mapping[str, str] | None = None) -> Finished:
    """Run a shell script with mounts of its own; skip the test if mounting is not allowed here."""
    command = ["unshare", "--mount", "--map-root-user", "sh", "-c", script]
    finished = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=False)
    if finished.returncode == NO_MOUNT or "unshare" in finished.stderr:
        pytest.skip(f"no file system can be mounted here: {finished.stderr}")
    return finished
