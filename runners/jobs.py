"""`facebeam status`, `cancel` and `finalize`: commands about a run that was submitted to a cluster."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

from facebeam.runners.exit_codes import COMMITTED, MEANINGS, NOT_COMMITTED, WRONG_SETUP
from facebeam.runners.flags import option_types as types
from facebeam.runners.flags.flag import Flag, OptionsParser
from facebeam.runners.flags.shared_options import TalkOptions
from facebeam.runners.logs import LOGGER, set_up_logs
from facebeam.runners.output_folder import is_committed
from facebeam.schemas.errors import RunError
from facebeam.schemas.layout import Layout


@dataclass(frozen=True, kw_only=True)
class _WhichRun:
    TITLE: ClassVar[str] = "which run"

    run: Annotated[str, Flag("the run's name", types.run_id, "ID")]
    output: Annotated[str, Flag("folder of the tables of all runs", types.path, "DIR")]


@dataclass(frozen=True, kw_only=True)
class JobOptions(_WhichRun, TalkOptions):
    """Which run, and how to talk of it."""

    @property
    def layout(self) -> Layout:
        """Where the run's files are."""
        return Layout(self.output, self.run)


def job_command(
    prog: str,
    description: str,
    epilog: str,
    act: Callable[[JobOptions], int],
    argv: Sequence[str] | None,
) -> int:
    """Carry a command out for the run that its flags name; give the exit code."""
    parser = OptionsParser(JobOptions, prog, description, epilog)
    options, rest = parser.parse(sys.argv[1:] if argv is None else argv)
    if rest:
        parser.error(f"unexpected argument {rest[0]!r}")
    set_up_logs(options.log_format, quiet=options.quiet)
    from facebeam.runners.prepare_run import use_remote_files  # noqa: PLC0415 - pyarrow, after the flags

    try:
        use_remote_files([options.layout.output])
        return act(options)
    except RunError as error:
        LOGGER.error("%s", error)
        return WRONG_SETUP


_STATUS_EPILOG = """\
prints one word: committed, running, done, failed, cancelled or gone

exit codes:
  0  the run is committed, or its job is at work
  1  the job is over, and the run is not committed: 'facebeam finalize' says why
  2  there is no such job, or the engine does not answer
"""


def status(argv: Sequence[str] | None = None) -> int:
    """Print the state of one run; give the exit code."""
    return job_command(
        "facebeam status", "Tell how far a submitted run has come.", _STATUS_EPILOG, _tell, argv
    )


def _tell(options: JobOptions) -> int:
    if is_committed(options.layout):
        print("committed")  # noqa: T201 - the command's answer
        return COMMITTED
    from facebeam.runners.clusters.submitted_job import SubmittedJob  # noqa: PLC0415 - imports Beam

    state = SubmittedJob.find(options.layout).state
    print(state)  # noqa: T201 - the command's answer
    return NOT_COMMITTED if state.is_over else COMMITTED


_CANCEL_EPILOG = """\
exit codes:
  0  the job is cancelled; what was answered stays in the journal, and another run goes on from there
  1  it was too late: the run is committed
  2  there is no such job, or the engine does not answer
"""


def cancel(argv: Sequence[str] | None = None) -> int:
    """Cancel one run's job; give the exit code."""
    return job_command("facebeam cancel", "Cancel the job of a submitted run.", _CANCEL_EPILOG, _cancel, argv)


def _cancel(options: JobOptions) -> int:
    layout = options.layout
    if is_committed(layout):
        LOGGER.error("run %s is committed already: there is nothing to cancel", layout.run_id)
        return NOT_COMMITTED
    from facebeam.runners.clusters.submitted_job import SubmittedJob  # noqa: PLC0415 - imports Beam

    job = SubmittedJob.find(layout)
    if job.cancel():
        LOGGER.error("run %s was committed before its job could be cancelled", layout.run_id)
        return NOT_COMMITTED
    LOGGER.info("job %s is cancelled; nothing of run %s is visible", job.id, layout.run_id)
    return COMMITTED


_DESCRIPTION = """\
Wait for a run that was submitted with --detach, or whose waiting was cut off, and report it. The job itself
commits the run; a run that was checked but cut off while it was published is published here."""


def finalize(argv: Sequence[str] | None = None) -> int:
    """See one run to its end; give the exit code of `facebeam annotate`."""
    return job_command("facebeam finalize", _DESCRIPTION, MEANINGS, _finalize, argv)


def _finalize(options: JobOptions) -> int:
    from facebeam.runners.clusters.submitted_job import SubmittedJob  # noqa: PLC0415 - imports Beam
    from facebeam.runners.interrupts import stop_signals  # noqa: PLC0415 - as above
    from facebeam.runners.summary import show_summary  # noqa: PLC0415 - as above

    if is_committed(options.layout):
        return show_summary(options.layout, options)
    job = SubmittedJob.find(options.layout)
    with stop_signals() as stop:
        state = job.wait(stop)
    if stop.number is not None:
        LOGGER.error("stopped waiting: job %s goes on", job.id)
        return stop.exit_code
    return job.finish(state, options) if state.is_over else NOT_COMMITTED
