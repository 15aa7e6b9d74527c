"""Stop a run in an orderly way at Ctrl-C or SIGTERM."""

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
    """Records the first signal that asked this process to stop."""

    def __init__(self) -> None:
        self.asked = Event()
        self.number: int | None = None

    @property
    def exit_code(self) -> int:
        """128 plus the number of the signal, as in shells."""
        return 128 + (self.number or 0)

    def ask(self, number: int) -> None:
        """Record a signal; later signals change nothing."""
        self.number = self.number or number
        self.asked.set()


@contextmanager
def interruptible(clean_up: Callable[[], None]) -> Iterator[Stop]:
    """Ask the run to stop at SIGINT or SIGTERM; end the process at a second signal, or after `GRACE_S`.

    Args:
        clean_up: called before the process is ended in the middle of the run.
    """
    stop = Stop()

    def watch(numbers: BinaryIO) -> None:
        if (number := _next_signal(numbers)) is None:
            return
        stop.ask(number)
        PROGRESS.stop.set()
        LOGGER.info("stopping: the images in progress are finished first; a second signal stops at once")
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
    """Give a pipe with one byte per signal, and a zero when the block ends.

    Python runs signal handlers only in the main thread. A busy system may give the signal to another thread,
    and the main thread stays asleep. It may also hold a lock that the handler needs.
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
    """Wait for a signal that asks to stop; None if the block of `_signal_numbers` has ended."""
    while (number := ord(numbers.read(1) or b"\0")) not in {0, *_STOPPING}:
        pass
    return number or None


def _end_now(clean_up: Callable[[], None], exit_code: int) -> None:
    with PROGRESS.publishing:  # if the run is being published, wait until that is finished: it is quick
        if not PROGRESS.committed:
            try:
                clean_up()
            finally:
                os._exit(exit_code)


@contextmanager
def stop_signals() -> Iterator[Stop]:
    """Record signals during the block, so that none of them interrupts it."""
    stop = Stop()
    before = {number: signal.signal(number, lambda it, _frame: stop.ask(it)) for number in _STOPPING}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
