"""What became of a job that is over: the run is committed by the job itself, or it is not."""

from typing import Literal

from runners.clusters.cluster import Cluster, JobState
from runners.clusters.job_record import JobRecord, forget_job
from runners.exit_codes import NOT_COMMITTED
from runners.logs import LOGGER
from runners.root_cause import root_cause
from runners.summary import show_summary
from schemas.layout import Layout
from transforms.publish import is_committed, resume


def finish_job(  # noqa: PLR0913 - how it says it are the last two
    cluster: Cluster,
    job: JobRecord,
    layout: Layout,
    state: JobState,
    *,
    quiet: bool,
    log_format: Literal["text", "json"],
) -> int:
    """Tell how a run ended whose job is over; give its exit code.

    A run that was checked but not published is published; what an unfinished one staged is deleted.
    """
    if is_committed(layout) or resume(layout):
        forget_job(layout)
        return show_summary(layout, quiet=quiet, log_format=log_format)
    cause = f"job {job.job_id} is {state}"
    if state is JobState.FAILED:
        cause = root_cause(cluster.why_failed(job.job_id))
    LOGGER.error("run %s is not committed: %s", layout.run_id, cause)
    forget_job(layout)
    return NOT_COMMITTED
