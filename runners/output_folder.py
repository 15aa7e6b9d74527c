"""Before a run starts: check the output folder, and whether another process uses the run or the journal."""

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final

from facebeam.runners.logs import LOGGER
from facebeam.schemas.errors import RunError
from facebeam.schemas.layout import RUNS, STAGING, Layout
from facebeam.schemas.tables import TABLES
from facebeam.transforms.files.any_store import is_local
from facebeam.transforms.steps.leases import DEAD_AFTER_S, lease_age_s, run_lease
from facebeam.transforms.steps.progress import PROGRESS

_NO_LOCKS: Final = {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS}
REMOTE_RUN_DEAD_AFTER_S = 7 * 24 * 3600
"""Without a lock (remote output, job on a cluster), a run counts as dead if it has not changed for a week."""


def check_output(output: str) -> None:
    """Check that the folders of a local output, from which tables are read, contain only runs.

    Raises:
        RunError: one of the folders is a file, or contains files that facebeam has not written.
    """
    if not is_local(output):
        return
    for name in (*TABLES, RUNS, STAGING):
        folder = Path(output, name)
        if folder.exists() and not folder.is_dir():
            raise RunError(f"{folder} is a file, but must be a folder of runs; choose another --output")
    for table in TABLES:
        _check_table_folder(Path(output, table))


@contextmanager
def without_rights(umask: int) -> Iterator[None]:
    """Set this umask for the files that the block writes."""
    before = os.umask(umask)
    try:
        yield
    finally:
        os.umask(before)


@contextmanager
def run_lock(layout: Layout) -> Iterator[None]:
    """Hold the lock of a run during the block; if the file system has no locks, hold a lease.

    The system frees a lock when the process dies.

    Raises:
        RunError: another process is working on this run, or the output cannot be written.
    """
    if not is_local(layout.output):
        with _lease(layout):
            yield
        return
    with _open_lock(layout) as file:
        try:
            is_free = take_lock(file)
        except NoLocksError:
            with _lease(layout):
                yield
            return
        if not is_free:
            raise RunError(
                f"run {layout.run_id} is already running in another process; wait for it or give another "
                "--run-id"
            )
        yield


class NoLocksError(Exception):
    """The file system has no locks."""


def take_lock(file: BinaryIO) -> bool:
    """Try to lock an open file; False if another process holds the lock. The system frees it at process end.

    Raises:
        NoLocksError: the file system has no locks, such as NFS without its lock daemon.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno in _NO_LOCKS:
            raise NoLocksError from error
        raise
    return True


@contextmanager
def _lease(layout: Layout) -> Iterator[None]:
    def stop() -> None:
        LOGGER.error("another process has taken over run %s, so this one stops", layout.run_id)
        PROGRESS.stop.set()

    with run_lease(layout, stop):
        yield


@contextmanager
def claim_dead_run(output: str, run_id: str, changed: float) -> Iterator[bool]:
    """Give True if no process works on a run; hold its lock, if it has one, during the block.

    Args:
        output: the folder of all runs.
        run_id: the id of the run.
        changed: time of the run's last change, in Unix seconds.
    """
    layout = Layout(output, run_id)
    if is_local(output) and not Path(layout.job).exists():
        with _open_lock(layout) as file:
            try:
                is_free = take_lock(file)
            except NoLocksError:
                is_free = _is_dead(layout, changed)
            yield is_free
    else:
        yield _is_dead(layout, changed)


def _is_dead(layout: Layout, changed: float) -> bool:
    """Decide by the run's lease; without one, as for a job on a cluster, by the time of its last change."""
    age_s = lease_age_s(layout)
    if age_s is not None:
        return age_s > DEAD_AFTER_S
    return time.time() - changed > REMOTE_RUN_DEAD_AFTER_S


def _check_table_folder(folder: Path) -> None:
    for entry in folder.iterdir() if folder.exists() else ():
        skipped_by_readers = entry.name.startswith((".", "_"))
        if not (skipped_by_readers or (entry.is_dir() and entry.name.startswith("run="))):
            raise RunError(
                f"{entry} is not from facebeam, and readers of {folder} would read it as part of the table; "
                "move it away or choose another --output"
            )


@contextmanager
def _open_lock(layout: Layout) -> Iterator[BinaryIO]:
    path = Path(layout.lock)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("ab")
    except OSError as error:
        raise RunError(
            f"cannot write {path}: {error.strerror}; choose an --output that you may write"
        ) from error
    with file:
        yield file


@contextmanager
def warned_if_shared(journal: str) -> Iterator[None]:
    """Warn if another run is using a local journal, and hold a shared lock on it during the block.

    The system frees the lock when the process dies. On a file system without locks there is no warning.
    """
    if not is_local(journal):
        yield
        return
    with Path(journal, "_lock").open("ab") as file:
        if not _is_alone(file):
            LOGGER.warning(
                "another run is using the journal %s: images of both runs may be paid for twice, and the "
                "rates add up; to avoid this, start one run after the other",
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
