"""The record of a submitted job, beside its run: any process can ask after it, cancel it or finish it."""

from dataclasses import asdict, dataclass
from typing import Final

from runners.cluster_options import ClusterOptions
from schemas.errors import RunError
from schemas.layout import Layout
from transforms.output_files import exists, read_json, remove_file, write_json

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
        remove_file(layout.job)
