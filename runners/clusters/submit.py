"""Submit a run to a cluster, wait for it, and report how it ended."""

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from facebeam.pipelines.annotate_manifest import build
from facebeam.runners.clusters.cluster import UnreachableError, choose_cluster
from facebeam.runners.clusters.dataflow_size import too_long
from facebeam.runners.clusters.submitted_job import SubmittedJob, job_name
from facebeam.runners.describe_run import describe_run
from facebeam.runners.earlier_runs import finish_earlier_runs, warn_of_last_run
from facebeam.runners.exit_codes import DONE, NOT_COMMITTED
from facebeam.runners.flags.beam_flags import check_beam_flags
from facebeam.runners.flags.options import RunOptions
from facebeam.runners.interrupts import Stop, stop_signals
from facebeam.runners.logs import LOGGER
from facebeam.runners.prepare_run import default_duration_s
from facebeam.runners.summary import show_summary
from facebeam.schemas.errors import RunError
from facebeam.schemas.layout import Layout
from facebeam.transforms.files.any_store import check_writable, exists
from facebeam.transforms.manifest.inspect_manifest import Manifest
from facebeam.transforms.steps.publish import read_record


def submit_run(options: RunOptions, layout: Layout, manifest: Manifest) -> int:
    """Execute one run on a cluster; give the exit code.

    Raises:
        RunError: a check on this machine has failed, or the engine refuses the job; nothing was started.
    """
    cluster = choose_cluster(options.cluster, paced=options.is_paced, own_flags=options.beam_flags)
    name = job_name(layout)
    beam_options = check_beam_flags([*cluster.beam_flags(name), *options.beam_flags], options.cluster.runner)
    _refuse_second_job(layout)
    cluster.check(name)
    pipeline = _empty_pipeline(beam_options)
    check_writable(layout.staging)
    run = describe_run(options, layout, manifest)
    if finish_earlier_runs(options, layout):
        return show_summary(layout, read_record(layout), options)
    warn_of_last_run(layout, manifest.columns)
    build(pipeline, run)
    _tell_duration(options)
    with stop_signals() as stop:  # no signal may come between submitting a job and recording it
        try:
            job = SubmittedJob.submit(pipeline, cluster, options, layout)
        except UnreachableError as error:
            LOGGER.error("%s", error)
            return NOT_COMMITTED
        return _follow(job, options, stop)


def _tell_duration(options: RunOptions) -> None:
    """Say when the run stops, if that is a default of the engine; warn if the engine would end it earlier."""
    longest_s = default_duration_s(options)
    if longest_s is None or options.stop_at:
        return
    if options.max_duration is None:
        LOGGER.info(
            "the run begins no image later than %d days from now, because Dataflow ends long jobs; "
            "--max-duration changes this",
            longest_s / 86_400,
        )
    elif warning := too_long(options.max_duration):
        LOGGER.warning("%s", warning)


def _follow(job: SubmittedJob, options: RunOptions, stop: Stop) -> int:
    """Record a submitted job, wait for it and report how it ended; give the exit code."""
    try:
        job.keep()
        return _wait(job, options, stop)
    except RunError as error:
        LOGGER.error(
            "%s; %s job %s of run %s may be running: check with 'facebeam status' or on the engine",
            error,
            options.cluster.runner,
            job.id,
            job.layout.run_id,
        )
        return NOT_COMMITTED


def _wait(job: SubmittedJob, options: RunOptions, stop: Stop) -> int:
    """Wait for a recorded job, unless `--detach` was given, and report how it ended; give the exit code."""
    LOGGER.info("run %s is submitted: %s job %s", job.layout.run_id, options.cluster.runner, job.id)
    if options.cluster.detach and stop.number is None:
        return DONE
    state = job.wait(stop, options.cluster.max_wait)
    if stop.number is not None:
        _cancel(job)
        return stop.exit_code
    return job.finish(state, options) if state.is_over else NOT_COMMITTED


def _empty_pipeline(options: PipelineOptions) -> beam.Pipeline:
    """Make an empty pipeline; raises RunError if Beam refuses its flags."""
    try:
        return beam.Pipeline(options=options)
    except (ValueError, ImportError) as error:
        raise RunError(" ".join(str(error).split())) from error


def _refuse_second_job(layout: Layout) -> None:
    """Check that no job is working on this run: a second one would delete the files that it has staged."""
    if not exists(layout.job):
        return
    job = SubmittedJob.find(layout)
    if not job.state.is_over:
        raise RunError(
            f"run {layout.run_id} is already running as {job.record.cluster.runner} job {job.id}: "
            "'facebeam finalize' waits for it, 'facebeam cancel' cancels it"
        )


def _cancel(job: SubmittedJob) -> None:
    """Cancel the job, and report what became of its run."""
    try:
        committed = job.cancel()
    except UnreachableError as error:
        LOGGER.error("stopped, but job %s could not be cancelled: %s", job.id, error)
    else:
        became = "was committed before that" if committed else "is not visible"
        LOGGER.error("stopped: job %s is cancelled, run %s %s", job.id, job.layout.run_id, became)
