"""End a command at Ctrl-C, as long as no run in progress has its own way to stop."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from facebeam.runners.exit_codes import STOPPED

GRACE_S = 10.0
"""Seconds in which work in progress may end by itself; a download may hang for longer."""


@contextmanager
def ended_by_ctrl_c() -> Iterator[None]:
    """Raise KeyboardInterrupt from the block at Ctrl-C, even if a library replaces or drops the exception.

    The signal may come while a function of a C library calls Python. Some libraries then raise their own
    error (SystemError, "returned a result with an exception set"): it becomes KeyboardInterrupt here. Others
    drop the exception: then the process is ended after `GRACE_S`.
    """
    asked = False

    def ask(_number: int, _frame: FrameType | None) -> NoReturn:
        nonlocal asked
        asked = True
        signal.signal(signal.SIGALRM, _end)
        signal.setitimer(signal.ITIMER_REAL, GRACE_S)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield
    except Exception as error:
        if asked:
            raise KeyboardInterrupt from error
        raise
    finally:
        signal.signal(signal.SIGINT, before)


def _end(_number: int, _frame: FrameType | None) -> NoReturn:
    sys.stderr.write("facebeam: stopped\n")
    os._exit(STOPPED)
