"""A submitted job and its record: nothing can be at work without a trace, and nothing refused leaves one."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from apache_beam import Pipeline

from facebeam.runners.clusters.cluster import JobState
from facebeam.runners.clusters.submitted_job import SubmittedJob
from facebeam.runners.flags.cluster_options import ClusterOptions
from facebeam.schemas.counts import Counts
from facebeam.schemas.errors import RunError
from facebeam.schemas.layout import Layout

ENGINE = ClusterOptions(runner="portable", job_endpoint="localhost:1", worker_pool="localhost:2")


@dataclass
class Engine:
    """An engine that takes a job, or fails while it does, and notes what record there is then."""

    job: Path
    failure: Exception | None = None
    seen: list[str] = field(default_factory=list)

    def check(self, job_name: str) -> None:
        """Find nothing wrong."""

    def beam_flags(self, job_name: str) -> Sequence[str]:
        """Need none."""
        return [job_name]

    def submit(self, pipeline: Pipeline) -> str:
        """Take an empty pipeline as job `7`."""
        assert not pipeline.transforms_stack[0].parts
        self.seen = [json.loads(self.job.read_text())["job_id"]]
        if self.failure:
            raise self.failure
        return "7"

    def state(self, job_id: str) -> JobState:
        """Be at work on job `7` only."""
        return JobState.RUNNING if job_id == "7" else JobState.GONE

    def counts(self, job_id: str) -> Counts:
        """Count rows for job `7` only."""
        return Counts(rows=20) if job_id == "7" else Counts()

    def why_failed(self, job_id: str) -> str:
        """Know nothing."""
        return job_id

    def cancel(self, job_id: str) -> None:
        """Take it."""


def test_a_record_is_there_before_the_job(tmp_path: Path) -> None:
    """The record is written without an id before the engine has the job, and with it afterwards."""
    layout = Layout(str(tmp_path), "one")
    engine = Engine(Path(layout.job))
    job = SubmittedJob.submit(Pipeline(), engine, ENGINE, layout)
    job.keep()
    assert engine.seen == [""]
    assert (job.id, job.state) == ("7", JobState.RUNNING)
    assert SubmittedJob.find(layout).record == job.record


def test_a_refused_job_leaves_no_record(tmp_path: Path) -> None:
    """A job that the engine refuses leaves no record, so that the run can be started again."""
    layout = Layout(str(tmp_path), "one")
    with pytest.raises(RunError, match="too full"):
        SubmittedJob.submit(Pipeline(), Engine(Path(layout.job), RunError("too full")), ENGINE, layout)
    with pytest.raises(RunError, match="was not submitted"):
        SubmittedJob.find(layout)


def test_a_job_that_may_be_at_work_keeps_its_record(tmp_path: Path) -> None:
    """If the connection breaks while a job is submitted, the next command says where to look for it."""
    layout = Layout(str(tmp_path), "one")
    with pytest.raises(ConnectionError):
        SubmittedJob.submit(Pipeline(), Engine(Path(layout.job), ConnectionError()), ENGINE, layout)
    with pytest.raises(RunError, match="look for job facebeam-one-"):
        SubmittedJob.find(layout)
