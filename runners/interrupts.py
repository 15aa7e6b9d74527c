"""End a run in order when it is asked to: Ctrl-C or SIGTERM."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from select import select
from threading import Event, Thread
from typing import BinaryIO, Final

from facebeam.runners.ctrl_c import GRACE_S
from facebeam.runners.logs import LOGGER
from facebeam.transforms.steps.progress import PROGRESS

_STOPPING: Final = (signal.SIGINT, signal.SIGTERM)


class Stop:
    """The first signal that asked this process to stop."""

    def __init__(self) -> None:
        self.asked = Event()
        self.number: int | None = None

    @property
    def exit_code(self) -> int:
        """128 and the signal's number, as shells have it."""
        return 128 + (self.number or 0)

    def ask(self, number: int) -> None:
        """Take a signal; later ones change nothing."""
        self.number = self.number or number
        self.asked.set()


@contextmanager
def interruptible(clean_up: Callable[[], None]) -> Iterator[Stop]:
    """Take SIGINT and SIGTERM as a request to stop; a second one, or the grace's end, ends the process.

    Args:
        clean_up: called before the process is ended without the run's own ending.
    """
    stop = Stop()

    def watch(numbers: BinaryIO) -> None:
        if (number := _next_signal(numbers)) is None:
            return
        stop.ask(number)
        PROGRESS.stop.set()
        LOGGER.info("stopping: the images under way are finished first; once more stops at once")
        if select([numbers], [], [], GRACE_S)[0]:
            if _next_signal(numbers) is None:
                return
            LOGGER.info("stopping: at once")
        _end_now(clean_up, stop.exit_code)

    with _signal_numbers() as numbers:
        Thread(target=watch, args=[numbers], name="signals", daemon=True).start()
        yield stop


@contextmanager
def _signal_numbers() -> Iterator[BinaryIO]:
    """Give a pipe with a byte for each signal, and a zero when the block ends.

    A Python handler would wait for the main thread. A busy system hands a signal to any thread, and then the
    main one sleeps on; it may also hold a lock that the handler needs.
    """
    reader, writer = os.pipe()
    numbers = os.fdopen(reader, "rb", buffering=0)
    os.set_blocking(writer, False)
    before = {number: signal.signal(number, lambda *_: None) for number in _STOPPING}
    other = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    try:
        yield numbers
    finally:
        signal.set_wakeup_fd(other)
        for number, handler in before.items():
            signal.signal(number, handler)
        os.write(writer, b"\0")
        os.close(writer)


def _next_signal(numbers: BinaryIO) -> int | None:
    """Wait for a signal that asks to stop; None when nobody listens any more."""
    while (number := ord(numbers.read(1) or b"\0")) not in {0, *_STOPPING}:
        pass
    return number or None


def _end_now(clean_up: Callable[[], None], exit_code: int) -> None:
    with PROGRESS.publishing:  # a run that is being published is finished first: it takes moments
        if not PROGRESS.committed:
            try:
                clean_up()
            finally:
                os._exit(exit_code)


@contextmanager
def stop_signals() -> Iterator[Stop]:
    """Take signals while the block runs: none interrupts it."""
    stop = Stop()
    before = {number: signal.signal(number, lambda it, _frame: stop.ask(it)) for number in _STOPPING}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
