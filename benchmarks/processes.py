"""Run commands, and measure their time, CPU and memory by the operating system's accounting."""

import os
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

FACEBEAM = str(Path(sys.executable).with_name("facebeam"))


@dataclass(frozen=True)
class Cost:
    """Time, CPU and memory of a process until its end, with its threads and the children it waited for."""

    wall_s: float
    cpu_s: float
    peak_mb: float
    """Largest resident set in MiB."""


def cost_of(command: Sequence[str]) -> Cost:
    """Run a command to its end; raises CalledProcessError if it fails."""
    return costs_of([command])[0]


def costs_of(commands: Sequence[Sequence[str]]) -> list[Cost]:
    """Run commands in parallel."""
    costs: list[Cost | None] = [None] * len(commands)

    def run(index: int) -> None:
        costs[index] = _cost(commands[index])

    threads = [Thread(target=run, args=(index,)) for index in range(len(commands))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [cost for cost in costs if cost is not None]


def _cost(command: Sequence[str]) -> Cost:
    started = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise subprocess.CalledProcessError(os.waitstatus_to_exitcode(status), list(command))
    return Cost(time.monotonic() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def peak_mb(pid: int) -> float:
    """Give the largest resident set of a process until now, in MiB; 0 if the process has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    lines = (line.split() for line in status.splitlines())
    return next((int(line[1]) / 1024 for line in lines if line[0] == "VmHWM:"), 0.0)


def machine() -> str:
    """Describe this machine and its Python."""
    return f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
