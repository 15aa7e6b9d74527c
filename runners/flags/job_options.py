"""The flags of `facebeam status`, `cancel` and `finalize`: the run, and the form of messages."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

from facebeam.runners.exit_codes import MEANINGS
from facebeam.runners.flags import option_types as types
from facebeam.runners.flags.flag import Flag, OptionsParser
from facebeam.runners.flags.result_options import TablesFolder
from facebeam.runners.flags.shared_options import TalkOptions


@dataclass(frozen=True, kw_only=True)
class _WhichRun:
    TITLE: ClassVar[str] = "which run"

    run: Annotated[str, Flag("name of the run", types.run_id, "ID")]
    output: TablesFolder


@dataclass(frozen=True, kw_only=True)
class JobOptions(_WhichRun, TalkOptions):
    """The checked flags of a command about a submitted run."""


def status_parser() -> OptionsParser[JobOptions]:
    """Build the parser of `facebeam status`."""
    return OptionsParser(
        JobOptions,
        "facebeam status",
        "Print the state of a submitted run.",
        """\
prints one word: committed, running, done, failed, cancelled or gone

exit codes:
  0  the run is committed, or its job is active
  1  the job is over, and the run is not committed: 'facebeam finalize' says why
  2  there is no such job, or the engine does not answer
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


def finalize_parser() -> OptionsParser[JobOptions]:
    """Build the parser of `facebeam finalize`."""
    return OptionsParser(
        JobOptions,
        "facebeam finalize",
        """\
Wait for a run that was submitted to a cluster, and report it: after --detach, or after interrupted waiting.
The job commits the run itself. If it died while it published a checked run, this command finishes that.""",
        MEANINGS,
    )


def parse_status(argv: Sequence[str]) -> JobOptions:
    """Parse and check the flags of `status`; a wrong flag ends the process with exit code 2."""
    return status_parser().parse_all(argv)


def parse_cancel(argv: Sequence[str]) -> JobOptions:
    """Parse and check the flags of `cancel`; a wrong flag ends the process with exit code 2."""
    return cancel_parser().parse_all(argv)


def parse_finalize(argv: Sequence[str]) -> JobOptions:
    """Parse and check the flags of `finalize`; a wrong flag ends the process with exit code 2."""
    return finalize_parser().parse_all(argv)
