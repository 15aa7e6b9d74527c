"""A submitted job: its name and record, waiting for it, cancelling it, and what became of its run."""

import re
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from hashlib import blake2s
from time import monotonic, sleep
from typing import Final, Self

from apache_beam import Pipeline

from facebeam.runners.clusters.cluster import Cluster, JobState, UnreachableError, choose_cluster
from facebeam.runners.exit_codes import NOT_COMMITTED
from facebeam.runners.flags.cluster_options import ClusterOptions
from facebeam.runners.flags.shared_options import TalkOptions
from facebeam.runners.interrupts import Stop
from facebeam.runners.logs import LOGGER
from facebeam.runners.root_cause import root_cause
from facebeam.runners.summary import show_summary
from facebeam.schemas.errors import RunError
from facebeam.schemas.layout import Layout
from facebeam.transforms.files.any_store import exists, read_json, remove_files, write_json
from facebeam.transforms.steps.publish import is_committed, read_record, resume


def job_name(layout: Layout) -> str:
    """Name a run's job as Dataflow allows it: lower-case letters, digits and hyphens, at most 63.

    >>> job_name(Layout("gs://bucket/out", "Nightly_7"))
    'facebeam-nightly-7-66a4d5'
    """
    place = blake2s(f"{layout.output.rstrip('/')} {layout.run_id}".encode(), digest_size=3).hexdigest()
    plain = re.sub(r"[^a-z0-9]+", "-", layout.run_id.lower()).strip("-")[:46]
    return f"facebeam-{plain}-{place}"


_UNKNOWN: Final = ""
"""The id of a job that is only about to be submitted."""


@dataclass(frozen=True)
class JobRecord:
    """Where a run was submitted to, and as what."""

    job_name: str
    job_id: str
    submitted_at: str
    cluster: ClusterOptions


_LOOK_EVERY_S: Final = 2.0
_SAY_EVERY_S: Final = 60.0
_SILENT_S: Final = 60.0
"""An engine that does not answer for this long is given up on; its job may well go on."""


def _cut_off(record: JobRecord, layout: Layout) -> str:
    return (
        f"run {layout.run_id} was cut off while it was submitted: look for job {record.job_name} "
        f"at the engine, cancel it if it is there, then delete {layout.job}"
    )


@dataclass(frozen=True)
class SubmittedJob:
    """The job of one run on a cluster, which every process finds again by the job's record.

    Args:
        record: where the run was submitted to, and as what.
        cluster: the engine that has the job.
        layout: where the run's files are; the record is one of them until the job is over.
    """

    record: JobRecord
    cluster: Cluster
    layout: Layout

    @classmethod
    def find(cls, layout: Layout) -> Self:
        """Find a run's job by its record; raises RunError where the run was not submitted to a cluster."""
        if not exists(layout.job):
            raise RunError(
                f"run {layout.run_id} of {layout.output} was not submitted to a cluster, or has ended"
            )
        found = read_json(layout.job)
        record = JobRecord(**found | {"cluster": ClusterOptions(**found["cluster"])})
        if record.job_id == _UNKNOWN:
            raise RunError(_cut_off(record, layout))
        return cls(record, choose_cluster(record.cluster), layout)

    @classmethod
    def submit(cls, pipeline: Pipeline, cluster: Cluster, options: ClusterOptions, layout: Layout) -> Self:
        """Submit a pipeline. A record is written before: a job that cannot be recorded is not submitted.

        The record gets the job's id only by `keep`. It stays without one where it is unknown whether there is
        a job.

        Raises:
            UnreachableError: the engine stopped answering; it may have the job.
            RunError: the record cannot be written, or the engine refuses the job; there is no job then.
        """
        now = datetime.now(UTC).isoformat(timespec="seconds")
        job = cls(JobRecord(job_name(layout), _UNKNOWN, now, options), cluster, layout)
        job.keep()
        try:
            return replace(job, record=replace(job.record, job_id=cluster.submit(pipeline)))
        except UnreachableError as error:
            raise UnreachableError(f"{error}; {_cut_off(job.record, layout)}") from error
        except RunError:
            job.forget()
            raise

    @property
    def id(self) -> str:
        """The engine's id of the job."""
        return self.record.job_id

    @property
    def state(self) -> JobState:
        """How far it has come, as the engine says now; raises UnreachableError."""
        return self.cluster.state(self.id)

    def keep(self) -> None:
        """Write the record, which stays until the run is committed or given up; raises RunError."""
        write_json(self.layout.job, asdict(self.record))

    def forget(self) -> None:
        """Delete the record of a job that is over; raises RunError."""
        if exists(self.layout.job):
            remove_files([self.layout.job])

    def wait(self, stop: Stop, max_wait_s: float | None = None) -> JobState:
        """Watch the job until it is over; RUNNING: the waiting was given up, and it was said why."""
        layout = self.layout
        later = f"'facebeam finalize --run {layout.run_id} --output {layout.output}' goes on from here"
        began = said = answered = monotonic()
        while stop.number is None:
            try:
                state = self.state
                answered = monotonic()
            except UnreachableError as error:
                if monotonic() - answered > _SILENT_S:
                    LOGGER.error("%s; the job may go on there; %s", error, later)
                    break
            else:
                if state.is_over:
                    return state
            if max_wait_s is not None and monotonic() - began > max_wait_s:
                LOGGER.error("job %s is not over after --max-wait; %s", self.id, later)
                break
            if monotonic() - said > _SAY_EVERY_S:
                said = monotonic()
                LOGGER.info("job %s is at work for %.0f s", self.id, said - began)
            stop.asked.wait(_LOOK_EVERY_S)
        return JobState.RUNNING

    def cancel(self) -> bool:
        """Cancel the job, wait until nothing works on it, delete what the run staged.

        Returns:
            Whether the run was committed, or checked and then published here, before that.

        Raises:
            UnreachableError: the engine does not answer; the job may go on.
        """
        self.cluster.cancel(self.id)
        while not self.state.is_over:
            sleep(_LOOK_EVERY_S / 2)
        committed = is_committed(self.layout) or resume(self.layout)
        self.forget()
        return committed

    def finish(self, state: JobState, talk: TalkOptions) -> int:
        """Tell how the run ended whose job is over; give its exit code.

        A run that was checked but not published is published; what an unfinished one staged is deleted.

        Raises:
            UnreachableError: the job failed, and the engine does not say why.
        """
        layout = self.layout
        if is_committed(layout) or resume(layout):
            self.forget()
            return show_summary(layout, read_record(layout), talk)
        cause = f"job {self.id} is {state}"
        if state is JobState.FAILED:
            cause = root_cause(self.cluster.why_failed(self.id))
        LOGGER.error("run %s is not committed: %s", layout.run_id, cause)
        self.forget()
        return NOT_COMMITTED
