"""Wait for another process to come so far; give up long after any good one would have."""

import time
from collections.abc import Callable
from typing import TextIO

DEADLINE_S = 180.0


def wait_until(condition: Callable[[], bool]) -> None:
    """Look again and again until the condition holds."""
    give_up = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.02)


def wait_for_line(stream: TextIO | None, words: str) -> None:
    """Read what a process says until a line has the words; others may come before."""
    assert stream is not None
    said: list[str] = []
    while not said or words not in said[-1]:
        line = stream.readline()
        assert line, f"it ended without {words!r}: {said}"
        said.append(line)
