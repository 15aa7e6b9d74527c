"""Lease files, by which only one process works on a run or a shard; they need no locks of the file system."""

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import Event, Thread
from time import sleep
from typing import Final
from uuid import uuid4

from facebeam.schemas.errors import RunError
from facebeam.schemas.layout import Layout
from facebeam.transforms.files.any_store import (
    exists,
    files_below,
    read_bytes,
    read_json,
    remove_files,
    write_json,
    write_mark,
    writing,
)

RENEWED_EVERY_S: Final = 30.0
DEAD_AFTER_S: Final = 120.0
"""After this long without a renewal, a lease is free: its process has died, or the machine has."""
SETTLED_AFTER_S: Final = 1.0
"""If two processes start together, both write the lease, and the later write counts.

After this long, both see who has the lease.
"""


@contextmanager
def run_lease(layout: Layout, lost: Callable[[], None]) -> Iterator[None]:
    """Hold a run's lease while the block runs.

    Args:
        layout: paths of the run.
        lost: called, from another thread, when another process has taken the lease.

    Raises:
        RunError: another process is working on this run, or the output cannot be written.
    """
    _refuse_if_held(layout)
    owner, ended = uuid4().hex, Event()
    _renew(layout, owner)
    sleep(SETTLED_AFTER_S)
    if not _is_owned(layout, owner):
        raise RunError(_held(layout))
    keeper = Thread(target=_keep, args=(layout, owner, ended, lost), name="lease", daemon=True)
    keeper.start()
    try:
        yield
    finally:
        ended.set()
        keeper.join()
        with suppress(RunError):
            if _is_owned(layout, owner):
                remove_files([layout.lease])


def _keep(layout: Layout, owner: str, ended: Event, lost: Callable[[], None]) -> None:
    """Renew the lease until the run has ended; call `lost` if another process has taken it."""
    while not ended.wait(RENEWED_EVERY_S):
        if not _is_owned(layout, owner):
            lost()
            return
        with suppress(RunError):  # the next renewal may succeed before the lease is free
            _renew(layout, owner)


def lease_age_s(layout: Layout) -> float | None:
    """Give the seconds since a run's lease was renewed, by the store's own clock; None: there is no lease."""
    if not exists(layout.lease):
        return None
    now = f"{layout.records}/_{uuid4().hex}.now"
    write_mark(now)
    times = {path: file.changed for path, file in files_below(layout.records).items()}
    remove_files([now])
    return times[now] - times[layout.lease] if layout.lease in times else None


def _refuse_if_held(layout: Layout) -> None:
    age_s = lease_age_s(layout)
    if age_s is not None and age_s < DEAD_AFTER_S:
        raise RunError(_held(layout))


def _held(layout: Layout) -> str:
    holder = read_json(layout.lease) if exists(layout.lease) else {}
    return (
        f"run {layout.run_id} is already running in process {holder.get('process')} on {holder.get('host')}; "
        f"wait for it, or give another --run-id (a dead process counts as gone after {DEAD_AFTER_S:.0f} s)"
    )


def _renew(layout: Layout, owner: str) -> None:
    write_json(layout.lease, {"owner": owner, "host": socket.gethostname(), "process": os.getpid()})


def _is_owned(layout: Layout, owner: str) -> bool:
    """Tell whether this process still has the lease; also True if the lease cannot be read now."""
    try:
        return bool(read_json(layout.lease).get("owner") == owner)
    except RunError:
        return True


@dataclass(frozen=True)
class ShardLeases:
    """A folder with one lease file per shard; this description of it can be pickled.

    The store needs neither locks nor conditional writes: a worker writes a unique name into the file when it
    begins, and stops when it finds another name there. The journal's thread checks every few seconds.

    Args:
        folder: path of the folder, below the run's staging folder.
    """

    folder: str

    def take(self, shard: int) -> "ShardLease":
        """Take a shard; a worker that has it now will stop."""
        lease = ShardLease(f"{self.folder}/shard={shard:03d}", uuid4().hex)
        with writing(lease.path) as file:
            file.write(lease.owner.encode())
        return lease


@dataclass(frozen=True)
class ShardLease:
    """The lease of a shard that this worker has taken."""

    path: str
    owner: str

    def is_held(self) -> bool:
        """Tell whether no other worker has taken the shard; also True if the file cannot be read now."""
        try:
            return read_bytes(self.path) in {self.owner.encode(), b""}
        except RunError:
            return True
