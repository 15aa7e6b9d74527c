"""Functions that wait for another process; they fail long after any healthy process would be ready."""

import time
from collections.abc import Callable
from typing import TextIO

DEADLINE_S = 180.0


def wait_until(condition: Callable[[], bool]) -> None:
    """Check a condition every 20 ms until it holds."""
    give_up = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.02)


def wait_for_line(stream: TextIO | None, words: str) -> None:
    """Read a process's output up to a line that contains the words."""
    assert stream is not None
    said: list[str] = []
    while not said or words not in said[-1]:
        line = stream.readline()
        assert line, f"it ended without {words!r}: {said}"
        said.append(line)
