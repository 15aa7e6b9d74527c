"""`facebeam cancel` and `finalize`: commands for a run that was submitted to a cluster."""

from functools import partial

from facebeam.runners.clusters.submitted_job import SubmittedJob
from facebeam.runners.exit_codes import DONE, NOT_COMMITTED
from facebeam.runners.flags.job_options import FinalizeOptions, JobOptions
from facebeam.runners.interrupts import stop_signals
from facebeam.runners.logs import LOGGER
from facebeam.runners.notify import told_at_the_end
from facebeam.runners.prepare_run import use_remote_files
from facebeam.runners.runs import started_run
from facebeam.runners.summary import show_summary
from facebeam.schemas.layout import Layout
from facebeam.transforms.steps.publish import is_committed, read_record


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


def finalize(options: FinalizeOptions) -> int:
    """Wait for the end of one run; give the exit code of `facebeam annotate`; raises RunError."""
    layout = _layout(options)
    return told_at_the_end(options.notify_url, layout, partial(_finalize, options, layout))


def _finalize(options: FinalizeOptions, layout: Layout) -> int:
    if is_committed(layout):
        return show_summary(layout, read_record(layout), options)
    job = SubmittedJob.find(layout)
    with stop_signals() as stop:
        state = job.wait(stop)
    if stop.number is not None:
        LOGGER.error("stopped waiting; job %s continues", job.id)
        return stop.exit_code
    return job.finish(state, options) if state.is_over else NOT_COMMITTED


def _layout(options: JobOptions | FinalizeOptions) -> Layout:
    """Give the paths of the run's files, and prepare Beam's file systems if they are remote."""
    use_remote_files([options.output])
    return Layout(options.output, started_run(options.output, options.run))
