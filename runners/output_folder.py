"""The output before a run starts: is it ours to write into, and does anyone else work on this run?"""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from schemas.errors import RunError
from schemas.layout import RUNS, STAGING, Layout
from schemas.tables import TABLES

REMOTE_RUN_DEAD_AFTER_S = 7 * 24 * 3600
"""Where no lock tells, on other file systems and of jobs on a cluster: what nobody touched for a week."""


def is_local(output: str) -> bool:
    """Tell a path of this machine from one of another file system."""
    return "://" not in output


def check_output(output: str) -> None:
    """See that a local output holds nothing but runs where tables are read from.

    Raises:
        RunError: a folder is a file, or holds what no run of ours has put there.
    """
    if not is_local(output):
        return
    for name in (*TABLES, RUNS, STAGING):
        folder = Path(output, name)
        if folder.exists() and not folder.is_dir():
            raise RunError(f"{folder} is a file where a folder of runs belongs; choose another --output")
    for table in TABLES:
        _check_table_folder(Path(output, table))


def is_committed(layout: Layout) -> bool:
    """Tell whether a run is committed; for a local output without importing Beam."""
    if is_local(layout.output) and not _is_there(Path(layout.success)):
        return False
    from transforms import publish  # noqa: PLC0415 - imports Beam: 1.7 s

    return publish.is_committed(layout)


@contextmanager
def run_lock(layout: Layout) -> Iterator[None]:
    """Hold a local run's lock while the block runs; the system frees it when the process dies.

    Raises:
        RunError: another process works on this run, or the output cannot be written.
    """
    if not is_local(layout.output):
        yield
        return
    with _open_lock(layout) as file:
        if not take_lock(file):
            raise RunError(
                f"run {layout.run_id} is under way in another process; wait for it or give another --run-id"
            )
        yield


def take_lock(file: BinaryIO) -> bool:
    """Take an open file's lock, which its process's death frees; tell whether nobody else holds it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def first_tried_at(layout: Layout) -> datetime:
    """Tell when a run was first tried: a try that died leaves its lock, to which nothing is ever written.

    On file systems without locks it is now.
    """
    path = Path(layout.lock)
    local = is_local(layout.output) and path.exists()
    return datetime.fromtimestamp(path.stat().st_mtime, UTC) if local else datetime.now(UTC)


@contextmanager
def claim_dead_run(output: str, run_id: str, changed: float) -> Iterator[bool]:
    """Tell whether nobody works on a run, and keep others away from it while the block runs.

    Args:
        output: the folder of all runs.
        run_id: the run's name.
        changed: time of its last change, in Unix seconds.
    """
    layout = Layout(output, run_id)
    if is_local(output) and not Path(layout.job).exists():
        with _open_lock(layout) as file:
            yield take_lock(file)
    else:
        yield time.time() - changed > REMOTE_RUN_DEAD_AFTER_S


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError as error:  # a name that no file can have
        raise RunError(f"cannot look for {path}: {error.strerror}; choose another --output") from error


def _check_table_folder(folder: Path) -> None:
    for entry in folder.iterdir() if folder.exists() else ():
        skipped_by_readers = entry.name.startswith((".", "_"))
        if not (skipped_by_readers or (entry.is_dir() and entry.name.startswith("run="))):
            raise RunError(
                f"{entry} is not ours, and readers of {folder} would take it for a part of the table; "
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
