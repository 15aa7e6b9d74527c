"""End a command at Ctrl-C or SIGTERM, as long as no run in progress has its own way to stop."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import NoReturn

GRACE_S = 10.0
"""Seconds in which work in progress may end by itself; a download may hang for longer."""


class StoppedError(KeyboardInterrupt):
    """A signal asked this process to stop; what catches every `Exception` does not catch it."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.exit_code = 128 + number
        """As in shells: 130 after Ctrl-C, 143 after SIGTERM."""


@contextmanager
def ended_by_signal() -> Iterator[None]:
    """Raise StoppedError from the block at Ctrl-C or SIGTERM, even if a library replaces or drops it.

    The signal may come while a function of a C library calls Python. Some libraries then raise their own
    error (SystemError, "returned a result with an exception set"): it becomes StoppedError here. Others drop
    the exception: then the process is ended after `GRACE_S`.
    """
    stopped: StoppedError | None = None

    def ask(number: int, _frame: FrameType | None) -> NoReturn:
        nonlocal stopped
        stopped = StoppedError(number)
        signal.signal(signal.SIGALRM, partial(_end, stopped.exit_code))
        signal.setitimer(signal.ITIMER_REAL, GRACE_S)
        raise stopped

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    except Exception as error:
        if stopped:
            raise stopped from error
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(exit_code: int, _number: int, _frame: FrameType | None) -> NoReturn:
    sys.stderr.write("facebeam: stopped\n")
    os._exit(exit_code)
