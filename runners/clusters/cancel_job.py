"""End a job, and see what became of its run: it may have been faster."""

from time import sleep
from typing import Final

from runners.clusters.cluster import Cluster
from runners.clusters.job_record import JobRecord, forget_job
from schemas.layout import Layout
from transforms.publish import is_committed, resume

_LOOK_EVERY_S: Final = 1.0


def cancel_job(cluster: Cluster, job: JobRecord, layout: Layout) -> bool:
    """Cancel a job, wait until nothing works on it, delete what the run staged.

    Returns:
        Whether the run was committed, or checked and then published here, before the job could be cancelled.

    Raises:
        UnreachableError: the engine does not answer; the job may go on.
    """
    cluster.cancel(job.job_id)
    while not cluster.state(job.job_id).is_over:
        sleep(_LOOK_EVERY_S)
    committed = is_committed(layout) or resume(layout)
    forget_job(layout)
    return committed
