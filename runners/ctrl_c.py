"""End a command at Ctrl-C, as long as no run has its own way to stop."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from facebeam.runners.exit_codes import STOPPED

GRACE_S = 10.0
"""What work under way is given to end by itself: a download may hang for longer."""


@contextmanager
def ended_by_ctrl_c() -> Iterator[None]:
    """Raise KeyboardInterrupt from the block at Ctrl-C, whatever a library makes of the exception.

    The signal can come while a function of a library in C calls Python. Some of those give an error of their
    own (SystemError, "returned a result with an exception set"): it is told as KeyboardInterrupt here. Others
    drop the exception: the process is ended when the grace is over.
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
