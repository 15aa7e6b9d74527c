"""`facebeam status`, `cancel` and `finalize`: commands for a run that was submitted to a cluster."""

from facebeam.runners.clusters.submitted_job import SubmittedJob
from facebeam.runners.exit_codes import DONE, NOT_COMMITTED
from facebeam.runners.flags.job_options import JobOptions
from facebeam.runners.interrupts import stop_signals
from facebeam.runners.logs import LOGGER
from facebeam.runners.prepare_run import use_remote_files
from facebeam.runners.summary import show_summary
from facebeam.schemas.layout import Layout
from facebeam.transforms.steps.publish import is_committed, read_record


def status(options: JobOptions) -> int:
    """Print the state of one run; give the exit code; raises RunError."""
    layout = _layout(options)
    if is_committed(layout):
        print("committed")  # noqa: T201 - the command's answer
        return DONE
    state = SubmittedJob.find(layout).state
    print(state)  # noqa: T201 - the command's answer
    return NOT_COMMITTED if state.is_over else DONE


def cancel(options: JobOptions) -> int:
    """Cancel one run's job; give the exit code; raises RunError."""
    layout = _layout(options)
    if is_committed(layout):
        LOGGER.error("run %s is committed already: there is nothing to cancel", layout.run_id)
        return NOT_COMMITTED
    job = SubmittedJob.find(layout)
    if job.cancel():
        LOGGER.error("run %s was committed before its job could be cancelled", layout.run_id)
        return NOT_COMMITTED
    LOGGER.info("job %s is cancelled; nothing of run %s is visible", job.id, layout.run_id)
    return DONE


def finalize(options: JobOptions) -> int:
    """Wait for the end of one run; give the exit code of `facebeam annotate`; raises RunError."""
    layout = _layout(options)
    if is_committed(layout):
        return show_summary(layout, read_record(layout), options)
    job = SubmittedJob.find(layout)
    with stop_signals() as stop:
        state = job.wait(stop)
    if stop.number is not None:
        LOGGER.error("stopped waiting; job %s continues", job.id)
        return stop.exit_code
    return job.finish(state, options) if state.is_over else NOT_COMMITTED


def _layout(options: JobOptions) -> Layout:
    """Give the paths of the run's files, and prepare Beam's file systems if they are remote."""
    use_remote_files([options.output])
    return Layout(options.output, options.run)
