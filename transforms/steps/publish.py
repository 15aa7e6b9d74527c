"""Publish a checked run: move its staged files to where readers look, then write the run's record.

No file system does several renames in one step. So the plan is written first. From then on the run can only
be finished: by its own process or, if that dies, by the next run into the same output.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from logging import getLogger
from pathlib import PurePosixPath
from typing import Final, TypedDict, cast

from facebeam.schemas.errors import RunError
from facebeam.schemas.layout import RUNS, STAGING, Layout
from facebeam.schemas.run_record import RunRecord
from facebeam.schemas.tables import TABLES
from facebeam.transforms.files.any_store import (
    exists,
    files_below,
    folders_in,
    has_folders,
    make_durable,
    move,
    read_json,
    remove,
    remove_files,
    write_json,
    write_mark,
)

Claim = Callable[[str, float], AbstractContextManager[bool]]
"""Takes a run id and the time of the run's last change (Unix seconds). Gives True if no process works on the
run, and keeps other processes away from it inside the block."""

_LOGGER: Final = getLogger("facebeam")


class Plan(TypedDict):
    """The files to publish and the record to write. Its paths are relative, so the output may be moved."""

    files: Mapping[str, int]
    """`<table>/<partition>/<name>` -> size in bytes."""
    record: Mapping[str, object]
    """The contents of `run.json`."""


def publish(layout: Layout, plan: Plan) -> None:
    """Make a checked run visible: write the plan, then carry it out."""
    write_json(layout.plan, cast("Mapping[str, object]", plan))
    finish(layout)


def finish(layout: Layout) -> None:
    """Carry out a run's plan, or what an earlier process has left to do of it.

    Afterwards the run's published folders hold exactly the files of the plan.

    Raises:
        RunError: the plan cannot be read or carried out; it stays there, so that a later run can finish it.
    """
    plan = _read_plan(layout)
    if has_folders(layout.output):
        _rename_folders(layout, plan)
    else:
        _move_files(layout, plan)
    _check_published(layout, plan)
    write_json(layout.run_json, plan["record"])
    write_mark(layout.success)
    make_durable(layout.success)
    remove(layout.staging)


def read_record(layout: Layout) -> RunRecord:
    """Read a committed run's record, written by any version of facebeam; raises RunError."""
    found = read_json(layout.run_json)
    try:
        return RunRecord.from_json(found)
    except RunError as error:
        raise RunError(
            f"{layout.run_json} cannot be read: {error}; restore it, or delete that run's folders"
        ) from error


def is_committed(layout: Layout) -> bool:
    """Tell whether a run has `_SUCCESS` and a record that is not empty; a power cut can empty the record."""
    return layout.run_id in _committed(layout.records)


def committed_runs(output: str) -> list[str]:
    """List the ids of the committed runs of an output, sorted."""
    return sorted(_committed(f"{output.rstrip('/')}/{RUNS}"))


def last_committed_run(output: str) -> str | None:
    """Give the id of the run that was committed last by its record; None if no run is committed.

    The times of files do not tell it, since a copy of the output may have other ones.

    Raises:
        RunError: the record of a committed run cannot be read.
    """
    when = {run_id: read_record(Layout(output, run_id)).committed_at for run_id in committed_runs(output)}
    return max(when, key=lambda run_id: (when[run_id], run_id), default=None)


def run_marked_last(output: str) -> str | None:
    """Give the id of the run whose `_SUCCESS` is the newest, without reading any record; None if none is."""
    when = _committed(f"{output.rstrip('/')}/{RUNS}")
    return max(when, key=lambda run_id: (when[run_id], run_id), default=None)


def _committed(folder: str) -> dict[str, float]:
    """Find the committed runs: id -> time when `_SUCCESS` was written (Unix seconds)."""
    marks: dict[str, float] = {}
    records: set[str] = set()
    for path, file in files_below(folder).items():
        *_, run_id, name = path.split("/")
        if name == "_SUCCESS":
            marks[run_id] = file.changed
        elif name == "run.json" and file.size_bytes:
            records.add(run_id)
    return {run_id: when for run_id, when in marks.items() if run_id in records}


def resume(layout: Layout) -> bool:
    """Clean up a run that no process works on: finish it if it has a plan, otherwise delete its staged files.

    Returns:
        Whether the run is committed now.
    """
    if exists(layout.plan):
        finish(layout)
        return True
    remove(layout.staging)
    return False


def discard(layout: Layout) -> bool:
    """Delete a run's staged files and return True; if the run has a plan already, only return False."""
    if exists(layout.plan):
        return False
    remove(layout.staging)
    return True


def sweep_staging(output: str, claim: Claim) -> None:
    """Clean up after every run whose process died. Log a warning for a run that this cannot finish."""
    for run_id, changed in folders_in(f"{output.rstrip('/')}/{STAGING}").items():
        if run_id.startswith("."):  # a file manager's folder, not a run
            continue
        layout = Layout(output, run_id)
        try:
            with claim(run_id, changed) as is_ours:
                if is_ours:
                    resume(layout)
        except RunError as error:
            _LOGGER.warning(
                "run %s was interrupted and cannot be finished (%s); to replace it, delete %s and start it "
                "again with --run-id %s",
                run_id,
                error,
                layout.staging,
                run_id,
            )


def _read_plan(layout: Layout) -> Plan:
    """Read a plan; raises RunError if it is damaged, or names a file outside the run's own folders."""
    plan = read_json(layout.plan)
    files = plan.get("files")
    if not isinstance(files, dict) or not all(map(_is_of_a_table, files)) or "record" not in plan:
        raise RunError(f"{layout.plan} is not a plan of this version of facebeam")
    return cast("Plan", plan)


def _is_of_a_table(path: str) -> bool:
    parts = PurePosixPath(path).parts
    return len(parts) > 1 and parts[0] in TABLES and ".." not in parts


def _rename_folders(layout: Layout, plan: Plan) -> None:
    """Publish each table by renaming its folder, on a file system with folders."""
    for table in TABLES:
        staged, published = layout.staged(table), layout.published(table)
        if exists(staged):
            _keep_only(staged, _planned(layout.staged, table, plan))  # a retried bundle has left other files
            remove(published)
            move({staged: published})
            make_durable(layout.folder(table))


def _move_files(layout: Layout, plan: Plan) -> None:
    """Publish the files that are still staged with one call, after one listing of them."""
    staged = files_below(layout.staging)
    moves: dict[str, str] = {}
    for table in TABLES:
        published = _planned(layout.published, table, plan)
        _keep_only(layout.published(table), published)
        moves |= dict(zip(_planned(layout.staged, table, plan), published, strict=True))
    move({source: target for source, target in moves.items() if source in staged})


def _planned(place: Callable[[str, str], str], table: str, plan: Plan) -> dict[str, int]:
    """Give the plan's files of one table as full paths, which `place` makes: path -> size in bytes."""
    own = {
        path.partition("/")[2]: size for path, size in plan["files"].items() if path.startswith(f"{table}/")
    }
    return {place(table, below): size for below, size in own.items()}


def _keep_only(folder: str, wanted: Mapping[str, int]) -> None:
    """Delete all other files in a folder: the run's counts do not include them."""
    remove_files(files_below(folder).keys() - wanted.keys())


def _check_published(layout: Layout, plan: Plan) -> None:
    """Check that readers find exactly the files that were counted; raises RunError otherwise."""
    for table in TABLES:
        wanted = _planned(layout.published, table, plan)
        found = {path: file.size_bytes for path, file in files_below(layout.published(table)).items()}
        if wrong := sorted(dict(wanted.items() ^ found.items())):
            raise RunError(f"{wrong[0]} is missing, or its size has changed since its rows were counted")
