"""A submitted job and its record: nothing can be at work without a trace, and nothing refused leaves one."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from apache_beam import Pipeline

from facebeam.runners.clusters.cluster import JobState, UnreachableError
from facebeam.runners.clusters.submitted_job import JobRecord, SubmittedJob
from facebeam.runners.flags.cluster_options import ClusterOptions
from facebeam.runners.flags.options import RunOptions
from facebeam.runners.logs import LOGGER
from facebeam.schemas.counts import Counts
from facebeam.schemas.errors import RunError
from facebeam.schemas.layout import Layout

ENGINE = ClusterOptions(runner="portable", job_endpoint="localhost:1", worker_pool="localhost:2")
OPTIONS = RunOptions(manifest=("m.csv",), output="out", cluster=ENGINE, source="fake")


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
    job = SubmittedJob.submit(Pipeline(), engine, OPTIONS, layout)
    job.keep()
    assert engine.seen == [""]
    assert (job.id, job.state) == ("7", JobState.RUNNING)
    found = SubmittedJob.find(layout).record
    assert (found, found.source) == (job.record, "fake")


def test_a_refused_job_leaves_no_record(tmp_path: Path) -> None:
    """A job that the engine refuses leaves no record, so that the run can be started again."""
    layout = Layout(str(tmp_path), "one")
    with pytest.raises(RunError, match="too full"):
        SubmittedJob.submit(Pipeline(), Engine(Path(layout.job), RunError("too full")), OPTIONS, layout)
    with pytest.raises(RunError, match="was not submitted"):
        SubmittedJob.find(layout)


def test_a_job_that_may_be_at_work_keeps_its_record(tmp_path: Path) -> None:
    """If the connection breaks while a job is submitted, the next command says where to look for it."""
    layout = Layout(str(tmp_path), "one")
    with pytest.raises(ConnectionError):
        SubmittedJob.submit(Pipeline(), Engine(Path(layout.job), ConnectionError()), OPTIONS, layout)
    with pytest.raises(RunError, match="look for job facebeam-one-"):
        SubmittedJob.find(layout)


@dataclass
class Reporting(Engine):
    """An engine that reports these counts."""

    counted: Counts = field(default_factory=Counts)

    def counts(self, job_id: str) -> Counts:
        """Give them, for job `7`; do not answer for others."""
        if job_id != "7":
            raise UnreachableError("it does not answer")
        return self.counted


DONE = Counts(20, 18, 1, 19, 21, 2, 19, 1, Counter({"timeout": 1}), 1500, 15)
DONE_TOLD = (
    "writing: 20 of 20; 19 faces, 1 dead: 1 timeout; 21 calls; 1 from the journal, 2 retries, latency 100 ms"
)


JOB = JobRecord("facebeam-one", "7", "", ENGINE, "api")
FREE, SILENT = replace(JOB, source="local"), replace(JOB, job_id="8")


@pytest.mark.parametrize(
    ("record", "counted", "told"),
    [
        (JOB, Counts(rows=20), ["rows read: 20"]),
        (JOB, Counts(rows=20, ok=5, faces=6), ["annotating: 5 of 20; 6 faces, 0 dead; 0 calls"]),
        (FREE, Counts(rows=20, ok=5, faces=6, calls=5), ["annotating: 5 of 20; 6 faces, 0 dead"]),
        (JOB, DONE, [DONE_TOLD]),
        (JOB, Counts(), []),
        (SILENT, Counts(rows=20), []),
    ],
)
def test_what_an_engine_reports_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, record: JobRecord, counted: Counts, told: list[str]
) -> None:
    """The counts are told in the words of a local run: calls only of a source that costs credits.

    What an engine does not report is left out.
    """
    caplog.set_level("INFO", LOGGER.name)
    engine = Reporting(tmp_path, counted=counted)
    SubmittedJob(record, engine, Layout(str(tmp_path), "one")).log_progress()
    assert caplog.messages == told
