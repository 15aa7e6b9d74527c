"""Tell where two runs ask through one journal at the same time: neither sees the other's newest answers."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from runners.logs import LOGGER
from runners.output_folder import NoLocksError, is_local, take_lock


@contextmanager
def warned_if_shared(journal: str) -> Iterator[None]:
    """Hold the folder of a local journal while the block runs, together with other runs that ask.

    The system lets go of it when the process dies. File systems without locks tell nothing.
    """
    if not is_local(journal):
        yield
        return
    with Path(journal, "_lock").open("ab") as file:
        if not _is_alone(file):
            LOGGER.warning(
                "another run asks through %s just now: images of both may be paid for twice, and the rates "
                "add up; one run after the other pays once",
                journal,
            )
        with suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        yield


def _is_alone(file: BinaryIO) -> bool:
    try:
        return take_lock(file)
    except (NoLocksError, OSError):  # there are no locks here
        return True
