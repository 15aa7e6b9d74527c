"""A submitted job: its name and its record; wait for it, cancel it, and report how its run ended."""

import re
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from hashlib import blake2s
from time import monotonic, sleep
from typing import Final, Self

from apache_beam import Pipeline

from facebeam.runners.clusters.cluster import Cluster, JobState, UnreachableError, choose_cluster
from facebeam.runners.exit_codes import NOT_COMMITTED
from facebeam.runners.flags.cluster_options import ClusterOptions
from facebeam.runners.flags.options import PAID, RunOptions, Source
from facebeam.runners.flags.shared_options import TalkOptions
from facebeam.runners.interrupts import Stop
from facebeam.runners.logs import LOGGER
from facebeam.runners.root_cause import root_cause
from facebeam.runners.show_progress import Moment, log_moment, moment_of
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
"""The id in the record of a job that is being submitted."""


@dataclass(frozen=True)
class JobRecord:
    """The engine that a run was submitted to, the name and id of its job, and the run's source."""

    job_name: str
    job_id: str
    submitted_at: str
    cluster: ClusterOptions
    source: Source = "api"
    """Calls are shown only for a paid source. The default is for records of older versions."""


_LOOK_EVERY_S: Final = 2.0
_SAY_EVERY_S: Final = 60.0
_SILENT_S: Final = 60.0
"""After this long without an answer of the engine, a command stops waiting; the job may still be running."""


def _cut_off(record: JobRecord, layout: Layout) -> str:
    return (
        f"run {layout.run_id} was interrupted while it was submitted: look for job {record.job_name} "
        f"on the engine, cancel it if it is there, then delete {layout.job}"
    )


@dataclass(frozen=True)
class SubmittedJob:
    """The job of one run on a cluster; any process can find it by the job's record.

    Args:
        record: the engine, and the name and id of the job.
        cluster: the engine that has the job.
        layout: paths of the run's files; the record is one of them until the job has ended.
    """

    record: JobRecord
    cluster: Cluster
    layout: Layout

    @classmethod
    def find(cls, layout: Layout) -> Self:
        """Find a run's job by its record; raises RunError if the run was not submitted to a cluster."""
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
    def submit(cls, pipeline: Pipeline, cluster: Cluster, options: RunOptions, layout: Layout) -> Self:
        """Submit a pipeline. The record is written first: a job that cannot be recorded is not submitted.

        The record gets the id of the job only when the caller calls `keep`. It stays without an id if it is
        not known whether there is a job.

        Raises:
            UnreachableError: the engine stopped answering; it may have the job.
            RunError: the record cannot be written, or the engine refuses the job; then there is no job.
        """
        now = datetime.now(UTC).isoformat(timespec="seconds")
        record = JobRecord(job_name(layout), _UNKNOWN, now, options.cluster, options.source)
        job = cls(record, cluster, layout)
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
        """The id that the engine has given the job."""
        return self.record.job_id

    @property
    def state(self) -> JobState:
        """The state of the job, which the engine is asked for; raises UnreachableError."""
        return self.cluster.state(self.id)

    def log_progress(self) -> None:
        """Log the counts that the engine reports now; nothing if it reports none, or does not answer.

        Some engines report a step when it ends: then the number of rows comes long before the answers.
        """
        with suppress(UnreachableError):
            if counts := self.cluster.counts(self.id):
                rows = Moment(stage="rows read", done=counts.rows)
                is_paid = self.record.source in PAID
                log_moment(moment_of(counts, is_paid=is_paid) if counts.rows_done else rows)

    def keep(self) -> None:
        """Write the record, which stays until the run is committed or has failed; raises RunError."""
        write_json(self.layout.job, asdict(self.record))

    def forget(self) -> None:
        """Delete the record of a job that has ended; raises RunError."""
        if exists(self.layout.job):
            remove_files([self.layout.job])

    def wait(self, stop: Stop, max_wait_s: float | None = None) -> JobState:
        """Wait until the job has ended, and give its state; RUNNING: this stopped waiting, and logged why."""
        layout = self.layout
        later = f"continue with 'facebeam finalize --run {layout.run_id} --output {layout.output}'"
        began = said = answered = monotonic()
        while stop.number is None:
            try:
                state = self.state
                answered = monotonic()
            except UnreachableError as error:
                if monotonic() - answered > _SILENT_S:
                    LOGGER.error("%s; the job may still be running; %s", error, later)
                    break
            else:
                if state.is_over:
                    return state
            if max_wait_s is not None and monotonic() - began > max_wait_s:
                LOGGER.error("job %s has not ended within --max-wait; %s", self.id, later)
                break
            if monotonic() - said > _SAY_EVERY_S:
                said = monotonic()
                LOGGER.info("job %s has been running for %.0f s", self.id, said - began)
                self.log_progress()
            stop.asked.wait(_LOOK_EVERY_S)
        return JobState.RUNNING

    def cancel(self) -> bool:
        """Cancel the job, wait until it has ended, and delete the run's staged files.

        Returns:
            Whether the run was committed before that, or was checked before and has been published here.

        Raises:
            UnreachableError: the engine does not answer; the job may still be running.
        """
        self.cluster.cancel(self.id)
        while not self.state.is_over:
            sleep(_LOOK_EVERY_S / 2)
        committed = is_committed(self.layout) or resume(self.layout)
        self.forget()
        return committed

    def finish(self, state: JobState, talk: TalkOptions) -> int:
        """Report how the run ended, when its job has ended; give the run's exit code.

        If the run was checked but not published, this publishes it. If it was not checked, this deletes its
        staged files.

        Raises:
            UnreachableError: the job failed, and the engine does not answer when asked for the reason.
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
