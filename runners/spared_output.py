"""What is printed at the end must not decide how a run ended: pipes close, disks fill, terminals are old."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from runners.logs import LOGGER


@contextmanager
def spared_output() -> Iterator[None]:
    """Print to stdout in the block; where that fails, say so on stderr and go on without stdout."""
    try:
        yield
        sys.stdout.flush()
    except (OSError, UnicodeError, SystemExit) as error:  # SystemExit: rich's answer to a closed pipe
        LOGGER.warning("the rest cannot be printed (%s)", type(error).__name__)
        with open(os.devnull, "w") as nowhere:  # noqa: PTH123 - what is left in the buffer goes there
            os.dup2(nowhere.fileno(), sys.stdout.fileno())
