"""A submitted job: its name and record, waiting for it, cancelling it, and what became of its run."""

import re
from dataclasses import asdict, dataclass
from hashlib import blake2s
from time import monotonic, sleep
from typing import Final, Literal

from facebeam.runners.clusters.cluster import Cluster, JobState, UnreachableError
from facebeam.runners.exit_codes import NOT_COMMITTED
from facebeam.runners.flags.cluster_options import ClusterOptions
from facebeam.runners.interrupts import Stop
from facebeam.runners.logs import LOGGER
from facebeam.runners.root_cause import root_cause
from facebeam.runners.summary import show_summary
from facebeam.schemas.errors import RunError
from facebeam.schemas.layout import Layout
from facebeam.transforms.files.any_store import exists, read_json, remove_files, write_json
from facebeam.transforms.steps.publish import is_committed, resume


def job_name(layout: Layout) -> str:
    """Name a run's job as Dataflow allows it: lower-case letters, digits and hyphens, at most 63.

    >>> job_name(Layout("gs://bucket/out", "Nightly_7"))
    'facebeam-nightly-7-66a4d5'
    """
    place = blake2s(f"{layout.output.rstrip('/')} {layout.run_id}".encode(), digest_size=3).hexdigest()
    plain = re.sub(r"[^a-z0-9]+", "-", layout.run_id.lower()).strip("-")[:46]
    return f"facebeam-{plain}-{place}"


UNKNOWN: Final = ""
"""The id of a job that is only about to be submitted."""


@dataclass(frozen=True)
class JobRecord:
    """Where a run was submitted to, and as what."""

    job_name: str
    job_id: str
    submitted_at: str
    cluster: ClusterOptions


def write_job(layout: Layout, job: JobRecord) -> None:
    """Keep the record until the run is committed or given up."""
    write_json(layout.job, asdict(job))


def read_job(layout: Layout) -> JobRecord:
    """Read a run's record; raises RunError where the run was not submitted to a cluster."""
    if not exists(layout.job):
        raise RunError(f"run {layout.run_id} of {layout.output} was not submitted to a cluster, or has ended")
    record = read_json(layout.job)
    job = JobRecord(**record | {"cluster": ClusterOptions(**record["cluster"])})
    if job.job_id == UNKNOWN:
        raise RunError(
            f"run {layout.run_id} was cut off while it was submitted: look for job {job.job_name} "
            f"at the engine, cancel it if it is there, then delete {layout.job}"
        )
    return job


def forget_job(layout: Layout) -> None:
    """Delete the record of a job that is over."""
    if exists(layout.job):
        remove_files([layout.job])


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
