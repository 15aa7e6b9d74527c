"""Wait for a submitted job: until it is over, the time is up, the engine is gone, or someone asks to stop."""

from time import monotonic
from typing import Final

from runners.clusters.cluster import Cluster, JobState, UnreachableError
from runners.clusters.job_record import JobRecord
from runners.clusters.stop_signals import Stop
from runners.logs import LOGGER
from schemas.layout import Layout

LOOK_EVERY_S: Final = 2.0
SAY_EVERY_S: Final = 60.0
SILENT_S: Final = 60.0
"""An engine that does not answer for so long is given up on; its job may well go on."""


def wait_for_job(
    cluster: Cluster, job: JobRecord, layout: Layout, stop: Stop, max_wait_s: float | None = None
) -> JobState:
    """Look after a job until it is over; RUNNING means that the waiting was given up, and it was said why."""
    later = f"'facebeam finalize --run {layout.run_id} --output {layout.output}' goes on from here"
    began = said = answered = monotonic()
    while stop.number is None:
        try:
            state = cluster.state(job.job_id)
            answered = monotonic()
        except UnreachableError as error:
            if monotonic() - answered > SILENT_S:
                LOGGER.error("%s; the job may go on there; %s", error, later)
                break
        else:
            if state.is_over:
                return state
        if max_wait_s is not None and monotonic() - began > max_wait_s:
            LOGGER.error("job %s is not over after --max-wait; %s", job.job_id, later)
            break
        if monotonic() - said > SAY_EVERY_S:
            said = monotonic()
            LOGGER.info("job %s is at work for %.0f s", job.job_id, said - began)
        stop.asked.wait(LOOK_EVERY_S)
    return JobState.RUNNING
