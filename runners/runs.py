"""`facebeam runs` and `facebeam status`: list the runs of an output, and show the state of each."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum, auto
from pathlib import Path
from typing import Final

from facebeam.runners.exit_codes import DONE, NOT_COMMITTED
from facebeam.runners.flags.job_options import JobOptions, RunsOptions
from facebeam.runners.logs import LOGGER, spared_output
from facebeam.runners.output_folder import NoLocksError, take_lock
from facebeam.runners.prepare_run import use_remote_files
from facebeam.runners.summary import spent_credits
from facebeam.schemas.errors import RunError
from facebeam.schemas.layout import RUNS, Layout
from facebeam.schemas.run_record import RunRecord
from facebeam.transforms.files.any_store import files_below, is_local
from facebeam.transforms.files.store import FoundFile
from facebeam.transforms.results.chosen_rows import LATEST
from facebeam.transforms.steps.leases import DEAD_AFTER_S
from facebeam.transforms.steps.publish import read_record

_TITLES: Final = (
    *("run", "started (UTC)", "state", "source"),
    *("rows", "ok", "no_face", "dead", "calls", "credits"),
)
_TEXTS: Final = 4
"""Number of text columns, which are aligned left; the number columns are aligned right."""


class RunState(StrEnum):
    """The state of a run, found from its files."""

    COMMITTED = auto()
    RUNNING = auto()
    """A process, on this machine or on another one with this output, is working on it."""
    SUBMITTED = auto()
    """It was submitted to a cluster, which can report its state."""
    UNFINISHED = auto()
    """No process is working on it; `facebeam annotate` with the same --run-id continues it."""


@dataclass(frozen=True)
class FoundRun:
    """A run of an output; `record` is None if the run is not committed, or if its record cannot be read."""

    run_id: str
    state: RunState
    started_at: datetime
    record: RunRecord | None


def runs(options: RunsOptions) -> int:
    """Print a line per run, the oldest first; give the exit code; raises RunError."""
    use_remote_files([options.output])
    found = find_runs(options.output)
    if options.log_format == "json":
        for run in found:
            LOGGER.info("run %s is %s", run.run_id, run.state, extra={"fields": _fields(run)})
    else:
        with spared_output():
            print(*_lines([_TITLES, *map(_cells, found)]), sep="\n")  # noqa: T201 - the command's answer
    return DONE


def status(options: JobOptions) -> int:
    """Print the state of one run; give the exit code; raises RunError."""
    use_remote_files([options.output])
    found = find_runs(options.output)
    wanted = found[-1:] if options.run == LATEST else [run for run in found if run.run_id == options.run]
    if not wanted:
        raise RunError(f"{options.output} has no run {options.run}: 'facebeam runs' lists its runs")
    (run,) = wanted
    if run.state is not RunState.SUBMITTED:
        print(run.state)  # noqa: T201 - the command's answer
        return NOT_COMMITTED if run.state is RunState.UNFINISHED else DONE
    from facebeam.runners.clusters.submitted_job import SubmittedJob  # noqa: PLC0415 - imports Beam

    job = SubmittedJob.find(Layout(options.output, run.run_id))
    of_job = job.state
    print(of_job)  # noqa: T201 - the command's answer
    job.log_progress()
    return NOT_COMMITTED if of_job.is_over else DONE


def started_run(output: str, run: str) -> str:
    """Give the id of the run that a flag names: for `latest`, the run that was started last.

    It may still be running; `chosen_rows.run_called` gives the one that was committed last.

    Raises:
        RunError: the output has no run.
    """
    return find_runs(output)[-1].run_id if run == LATEST else run


def find_runs(output: str) -> Sequence[FoundRun]:
    """Find all runs of an output, in any state, in the order in which they were started.

    Raises:
        RunError: the output has no run, or cannot be listed.
    """
    files: dict[str, dict[str, FoundFile]] = {}
    for path, file in files_below(f"{output.rstrip('/')}/{RUNS}").items():
        *_, run_id, name = path.split("/")
        files.setdefault(run_id, {})[name] = file
    if not files:
        raise RunError(f"{output} has no run: correct --output")
    found = (_found(Layout(output, run_id), of_run) for run_id, of_run in files.items())
    return sorted(found, key=lambda run: (run.started_at, run.run_id))


def _found(layout: Layout, files: Mapping[str, FoundFile]) -> FoundRun:
    started_at = datetime.fromtimestamp(min(file.changed for file in files.values()), UTC)
    if "_SUCCESS" not in files or not files.get("run.json", FoundFile(0, 0)).size_bytes:
        return FoundRun(layout.run_id, _unfinished(layout, files), started_at, None)
    try:
        record = read_record(layout)
    except RunError as error:
        LOGGER.warning("%s", error)
        return FoundRun(layout.run_id, RunState.COMMITTED, started_at, None)
    return FoundRun(layout.run_id, RunState.COMMITTED, record.facts.started_at, record)


def _unfinished(layout: Layout, files: Mapping[str, FoundFile]) -> RunState:
    if "job.json" in files:
        return RunState.SUBMITTED
    is_held = "lease.json" in files and time.time() - files["lease.json"].changed < DEAD_AFTER_S
    if not is_held and "lock" in files and is_local(layout.output):
        is_held = _is_locked(Path(layout.lock))
    return RunState.RUNNING if is_held else RunState.UNFINISHED


def _is_locked(lock: Path) -> bool:
    try:
        with lock.open("rb") as file:
            return not take_lock(file)
    except (NoLocksError, OSError):  # a file system without locks: the lease decides
        return False


def _fields(run: FoundRun) -> dict[str, object]:
    fields: dict[str, object] = {"event": "run", "run_id": run.run_id, "state": run.state}
    fields["started_at"] = run.started_at.isoformat(timespec="seconds")
    if (record := run.record) is None:
        return fields
    counts = {"rows": record.counts.rows_read, "ok": record.counts.ok, "no_face": record.counts.no_face}
    return fields | {
        "source": record.facts.options.get("source"),
        **counts,
        "dead_letters": record.counts.dead_total,
        "faces": record.counts.faces,
        "calls": record.calls.sent,
        "credits": spent_credits(record),
        "committed_at": record.committed_at.isoformat(timespec="seconds"),
    }


def _cells(run: FoundRun) -> Sequence[str]:
    cells = [run.run_id, f"{run.started_at.astimezone(UTC):%Y-%m-%d %H:%M}", run.state.value]
    if (record := run.record) is None:
        return [*cells, *("-" for _ in _TITLES[len(cells) :])]
    counts, spent = record.counts, spent_credits(record)
    numbers = [counts.rows_read, counts.ok, counts.no_face, counts.dead_total, record.calls.sent]
    source = str(record.facts.options.get("source", "-"))
    return [*cells, source, *(f"{number:,}" for number in numbers), "-" if spent is None else f"{spent:,.4f}"]


def _lines(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Align the columns. Lines are not shortened, so that grep finds whole ids."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        aligned = [
            cell.ljust(width) if place < _TEXTS else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  ".join(aligned).rstrip()
