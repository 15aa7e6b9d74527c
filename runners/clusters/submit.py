"""Submit a run to a cluster, wait for it there, and say what became of it."""

from datetime import UTC, datetime

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from pipelines.annotate_manifest import build
from runners.beam_flags import check_beam_flags
from runners.clusters.choose_cluster import choose_cluster
from runners.clusters.cluster import Cluster
from runners.clusters.finish_job import finish_job
from runners.clusters.job_name import job_name
from runners.clusters.job_record import JobRecord, read_job, write_job
from runners.clusters.wait import wait_for_job
from runners.describe_run import describe_run
from runners.exit_codes import COMMITTED
from runners.logs import LOGGER
from runners.options import RunOptions
from runners.output_folder import nobody_works_on
from schemas.errors import RunError
from schemas.layout import Layout
from transforms.inspect_manifest import Manifest
from transforms.output_files import check_writable, exists
from transforms.publish import resume, sweep_staging


def submit_run(options: RunOptions, layout: Layout, manifest: Manifest) -> int:
    """Carry out one run on a cluster; give the exit code.

    Raises:
        RunError: something is wrong that can be seen from here, or the engine takes no job: nothing was
            started.
    """
    cluster = choose_cluster(options.cluster, paced=options.source == "api")
    name = job_name(layout)
    beam_options = check_beam_flags([*cluster.beam_flags(name), *options.beam_flags])
    _refuse_second_job(layout)
    cluster.check()
    run = describe_run(options, layout, manifest)
    check_writable(layout.staging)
    sweep_staging(layout.output, nobody_works_on(layout.output))
    if resume(layout):
        LOGGER.info("run %s had been checked but not published when it was cut off: now it is", layout.run_id)
        return COMMITTED
    pipeline = _empty_pipeline(beam_options)
    build(pipeline, run)
    job = JobRecord(name, cluster.submit(pipeline, name), _now(), options.cluster)
    write_job(layout, job)
    LOGGER.info("run %s is submitted: %s job %s", layout.run_id, options.cluster.runner, job.job_id)
    return COMMITTED if options.cluster.detach else _wait(cluster, job, options, layout)


def _empty_pipeline(options: PipelineOptions) -> beam.Pipeline:
    """Start a pipeline; raises RunError where Beam says that its flags cannot be."""
    try:
        return beam.Pipeline(options=options)
    except (ValueError, ImportError) as error:
        raise RunError(" ".join(str(error).split())) from error


def _refuse_second_job(layout: Layout) -> None:
    """See that no job works on this run: what it has staged would be swept away under it."""
    if not exists(layout.job):
        return
    job = read_job(layout)
    if not choose_cluster(job.cluster).state(job.job_id).is_over:
        raise RunError(
            f"run {layout.run_id} is at work already, as {job.cluster.runner} job {job.job_id}: "
            "'facebeam finalize' waits for it, 'facebeam cancel' ends it"
        )


def _wait(cluster: Cluster, job: JobRecord, options: RunOptions, layout: Layout) -> int:
    ending = wait_for_job(cluster, job, layout, options.cluster.max_wait)
    if ending.exit_code is not None:
        return ending.exit_code
    return finish_job(cluster, job, layout, ending.state, quiet=options.quiet, log_format=options.log_format)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
