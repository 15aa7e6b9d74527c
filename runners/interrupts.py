"""End a run in order when it is asked to: Ctrl-C or SIGTERM."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Timer
from types import FrameType
from typing import NoReturn

from runners.logs import LOGGER
from transforms.progress import PROGRESS

GRACE_S = 10.0
"""What images under way are given to end by themselves: a download may hang for longer."""


@dataclass
class Interruption:
    """The first signal that asked this process to stop."""

    signal_number: int | None = None

    @property
    def exit_code(self) -> int:
        """128 and the signal's number, as shells have it."""
        return 128 + (self.signal_number or 0)


@contextmanager
def ended_by_ctrl_c() -> Iterator[None]:
    """Raise KeyboardInterrupt at Ctrl-C before the run has its own way to stop.

    A library can swallow an exception that comes while it cleans up. Then the process ends after the grace.
    """

    def ask(_number: int, _frame: FrameType | None) -> NoReturn:
        timer = Timer(GRACE_S, os._exit, [128 + signal.SIGINT])
        timer.daemon = True
        timer.start()
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def interruptible(clean_up: Callable[[], None]) -> Iterator[Interruption]:
    """Take SIGINT and SIGTERM as a request to stop; a second one, or the grace's end, ends the process.

    Args:
        clean_up: called before the process is ended without the run's own ending.
    """
    interruption = Interruption()

    def end_now() -> None:
        with PROGRESS.publishing:  # a run that is being published is finished first: it takes moments
            if not PROGRESS.committed:
                try:
                    clean_up()
                finally:
                    os._exit(interruption.exit_code)

    def ask(number: int, _frame: FrameType | None) -> None:
        grace_s = GRACE_S if interruption.signal_number is None else 0
        interruption.signal_number = interruption.signal_number or number
        LOGGER.info("stopping: the images under way are finished first; once more stops at once")
        PROGRESS.stop.set()
        timer = Timer(grace_s, end_now)
        timer.daemon = True
        timer.start()

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield interruption
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
