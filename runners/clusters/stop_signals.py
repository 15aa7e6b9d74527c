"""SIGINT and SIGTERM as a wish, taken up where a job can be cancelled in order."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event
from types import FrameType


class Stop:
    """The first signal that asked this process to stop."""

    def __init__(self) -> None:
        self.asked = Event()
        self.number: int | None = None

    @property
    def exit_code(self) -> int:
        """128 and the signal's number, as shells have it."""
        return 128 + (self.number or 0)

    def ask(self, number: int, _frame: FrameType | None) -> None:
        """Take a signal."""
        self.number = self.number or number
        self.asked.set()


@contextmanager
def stop_signals() -> Iterator[Stop]:
    """Take signals while the block runs: none interrupts it."""
    stop = Stop()
    before = {number: signal.signal(number, stop.ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
