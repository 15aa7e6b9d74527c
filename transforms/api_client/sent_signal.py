"""Tell when a thread's request has left this machine: only then the rate can count it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import local
from typing import Final

_HERE: Final = local()


@contextmanager
def told_when_sent(tell: Callable[[], None]) -> Iterator[None]:
    """Have `tell` called when this thread has sent a request whole, and at the end of the block.

    Args:
        tell: may be called twice.
    """
    _HERE.tell = tell
    try:
        yield
    finally:
        del _HERE.tell
        tell()


def request_is_sent() -> None:
    """Take note that this thread has sent its request."""
    tell: Callable[[], None] | None = getattr(_HERE, "tell", None)
    if tell:
        tell()
