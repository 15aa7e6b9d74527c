"""The default name of a run."""

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import blake2s
from time import time_ns


def new_run_id(manifest: Sequence[str]) -> str:
    """Name a run by UTC time to the second and six hex digits that tell runs of one second apart.

    Sorts by time: `20261123T034527Z-5b96d1`.
    """
    digest = blake2s(f"{manifest} {os.getpid()} {time_ns()}".encode(), digest_size=3).hexdigest()
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{digest}"
