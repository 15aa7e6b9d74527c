"""Check that this process may open enough files, before the run pays for any call."""

import resource
from contextlib import suppress
from typing import Final

from facebeam.schemas.errors import RunError

OWN: Final = 100
"""File descriptors for everything except connections: libraries, tables, journal, pipes."""


def raise_limit(wanted: int) -> int:
    """Raise the limit of open files to `wanted`, or as far as the system allows; give the new limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def check_descriptors(connections: int) -> None:
    """Check that this many connections can be open at a time; raises RunError if not."""
    wanted = OWN + connections
    if (limit := raise_limit(wanted)) < wanted:
        raise RunError(
            f"this process may open {limit} files, and the run needs up to {wanted}: raise the limit, for "
            f"example with 'ulimit -n {wanted}', or give a smaller --window or --rate"
        )
