"""The flags of `facebeam runs`, `status`, `cancel` and `finalize`: the run, and the form of messages."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

from facebeam.runners.exit_codes import MEANINGS
from facebeam.runners.flags import option_types as types
from facebeam.runners.flags.flag import Flag, OptionsParser
from facebeam.runners.flags.result_options import TablesFolder
from facebeam.runners.flags.shared_options import NotifyOptions, TalkOptions


@dataclass(frozen=True, kw_only=True)
class _WhichRun:
    TITLE: ClassVar[str] = "which run"

    run: Annotated[str, Flag("name of the run; 'latest': the run that was started last", types.run_id, "ID")]
    output: TablesFolder


@dataclass(frozen=True, kw_only=True)
class JobOptions(_WhichRun, TalkOptions):
    """The checked flags of a command about one run."""


@dataclass(frozen=True, kw_only=True)
class FinalizeOptions(_WhichRun, NotifyOptions, TalkOptions):
    """The checked flags of `facebeam finalize`."""


@dataclass(frozen=True, kw_only=True)
class _WhichOutput:
    TITLE: ClassVar[str] = "which runs"

    output: TablesFolder


@dataclass(frozen=True, kw_only=True)
class RunsOptions(_WhichOutput, TalkOptions):
    """The checked flags of `facebeam runs`."""


def runs_parser() -> OptionsParser[RunsOptions]:
    """Build the parser of `facebeam runs`."""
    return OptionsParser(
        RunsOptions,
        "facebeam runs",
        "List the runs of an output, the oldest first: when, source, counts, calls, credits and state.",
        """\
states:
  committed   the tables are complete
  running     a process works on the run
  submitted   the run was submitted to a cluster; 'facebeam status' asks the cluster
  unfinished  nothing works on the run; 'facebeam annotate' with the same --run-id continues it

exit codes:
  0  the runs are listed
  2  the output has no run, or cannot be read
""",
    )


def status_parser() -> OptionsParser[JobOptions]:
    """Build the parser of `facebeam status`."""
    return OptionsParser(
        JobOptions,
        "facebeam status",
        "Print the state of a run.",
        """\
prints one word: committed, running or unfinished; for a job on a cluster also done, failed, cancelled
or gone. For a job it also logs the counts of rows, faces, dead letters and calls that the engine reports.

exit codes:
  0  the run is committed, or works
  1  the run is not committed, and nothing works on it; for a job 'facebeam finalize' says why
  2  there is no such run, or the engine does not answer
""",
    )


def cancel_parser() -> OptionsParser[JobOptions]:
    """Build the parser of `facebeam cancel`."""
    return OptionsParser(
        JobOptions,
        "facebeam cancel",
        "Cancel the job of a submitted run.",
        """\
exit codes:
  0  the job is cancelled; the journal keeps its answers, and another run continues from there
  1  it was too late: the run is committed
  2  there is no such job, or the engine does not answer
""",
    )


def finalize_parser() -> OptionsParser[FinalizeOptions]:
    """Build the parser of `facebeam finalize`."""
    return OptionsParser(
        FinalizeOptions,
        "facebeam finalize",
        """\
Wait for a run that was submitted to a cluster, and report it: after --detach, or after interrupted waiting.
The job commits the run itself. If it died while it published a checked run, this command finishes that.""",
        MEANINGS,
    )


def parse_runs(argv: Sequence[str]) -> RunsOptions:
    """Parse and check the flags of `runs`; a wrong flag ends the process with exit code 2."""
    return runs_parser().parse_all(argv)


def parse_status(argv: Sequence[str]) -> JobOptions:
    """Parse and check the flags of `status`; a wrong flag ends the process with exit code 2."""
    return status_parser().parse_all(argv)


def parse_cancel(argv: Sequence[str]) -> JobOptions:
    """Parse and check the flags of `cancel`; a wrong flag ends the process with exit code 2."""
    return cancel_parser().parse_all(argv)


def parse_finalize(argv: Sequence[str]) -> FinalizeOptions:
    """Parse and check the flags of `finalize`; a wrong flag ends the process with exit code 2."""
    return finalize_parser().parse_all(argv)
