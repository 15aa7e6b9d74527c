"""Jobs on Flink: their names, states, ends and failures, as Flink's REST interface reports them."""

import json
from base64 import b64encode
from collections.abc import Mapping

import pytest

from facebeam.runners.clusters.cluster import JobState, UnreachableError
from facebeam.runners.clusters.flink import Flink
from facebeam.runners.root_cause import root_cause
from facebeam.schemas.errors import RunError
from tests.helpers.flink_job_manager import job_manager, tells
from tests.helpers.scripted_server import Script

POOL = "localhost:50000"


def overview(**times: int) -> Mapping[str, Script]:
    """Script a list of jobs named `facebeam-one`: id -> end time, or -1 for a running job."""
    jobs = [{"jid": jid, "name": "facebeam-one", "end-time": end} for jid, end in times.items()]
    return {"/v1/jobs/overview": tells({"jobs": jobs})}


def test_a_second_job_of_one_name_is_refused() -> None:
    """`check` refuses a second job of one name, names the running job and the cure, and uploads nothing."""
    refused = pytest.raises(RunError, match=r"job new named facebeam-one is running on .*, or cancel it")
    with job_manager(jobs=overview(old=1700000000000, new=-1)) as server, refused:
        Flink(server.authority, POOL).check("facebeam-one")
    assert {request.method for request in server.seen} == {"GET"}


@pytest.mark.parametrize(
    ("said", "state"),
    [
        ("INITIALIZING", JobState.RUNNING),
        ("RUNNING", JobState.RUNNING),
        ("RESTARTING", JobState.RUNNING),
        ("CANCELLING", JobState.RUNNING),
        ("SUSPENDED", JobState.RUNNING),
        ("FINISHED", JobState.DONE),
        ("FAILED", JobState.FAILED),
        ("CANCELED", JobState.CANCELLED),
    ],
)
def test_the_states_of_a_job(said: str, state: JobState) -> None:
    """Each state of Flink becomes one of ours. A job that is still ending counts as running."""
    with job_manager(jobs={"/v1/jobs/7": tells({"state": said})}) as server:
        assert Flink(server.authority, POOL).state("7") is state


def test_a_job_that_flink_does_not_know_is_gone() -> None:
    """A job that Flink does not know has the state GONE, and cancelling it is not an error."""
    with job_manager() as server:
        flink = Flink(server.authority, POOL)
        assert flink.state("7") is JobState.GONE
        flink.cancel("7")
    assert (server.seen[-1].method, server.seen[-1].target) == ("PATCH", "/v1/jobs/7?mode=cancel")


def test_a_job_that_ended_meanwhile_is_cancelled_in_peace() -> None:
    """`cancel` ignores Flink's 409 for a job that has ended, but reports an error of the server itself."""
    jobs = {"/v1/jobs/7": tells({}, "409 Conflict"), "/v1/jobs/8": tells({}, "503 Service Unavailable")}
    with job_manager(jobs=jobs) as server:
        flink = Flink(server.authority, POOL)
        flink.cancel("7")
        with pytest.raises(UnreachableError, match=f"the JobManager at {server.authority} does not answer"):
            flink.cancel("8")


TRACEBACK = """\
org.apache.flink.runtime.JobException: Recovery is suppressed by FixedDelayRestartBackoffTimeStrategy
\tat org.apache.flink.runtime.executiongraph.failover.ExecutionFailureHandler.handleFailure(E.java:180)
Caused by: java.lang.RuntimeException: Error received from SDK harness: Traceback (most recent call last):
  File "transforms/token.py", line 64, in _read
    raise RunError(
schemas.errors.RunError: no token here: export one [while running 'AnnotateImages']

Caused by: java.lang.RuntimeException: Error received from SDK harness
"""
NO_WORKER = """\
org.apache.flink.runtime.JobException: Recovery is suppressed by NoRestartBackoffTimeStrategy
Caused by: java.lang.Exception: The user defined 'open()' method caused an exception: UNAVAILABLE
\tat org.apache.beam.runners.fnexecution.environment.ExternalEnvironmentFactory.createEnvironment(E.java:113)
Caused by: java.net.UnknownHostException: java.net.UnknownHostException: pool.invalid
"""
NO_WORKER_TOLD = (
    "Flink's TaskManagers cannot get a worker from --worker-pool localhost:50000 "
    "(UnknownHostException: pool.invalid): start Beam's worker pool there, or correct the flag"
)
LOST = """\
org.apache.flink.runtime.JobException: Recovery is suppressed by NoRestartBackoffTimeStrategy
Caused by: org.apache.flink.runtime.jobmaster.JobMasterException: TaskManager 10.0.0.7 is no longer reachable.
"""


@pytest.mark.parametrize(
    ("trace", "told"),
    [
        (TRACEBACK, "no token here: export one"),
        (NO_WORKER, NO_WORKER_TOLD),
        (LOST, "JobMasterException: TaskManager 10.0.0.7 is no longer reachable."),
    ],
)
def test_a_failure_is_one_sentence(trace: str, told: str) -> None:
    """The newest exception becomes one sentence.

    It names a worker's error, a worker pool that cannot be reached, or Flink's innermost cause.
    """
    history = {"exceptionHistory": {"entries": [{"stacktrace": trace}, {"stacktrace": "an older one"}]}}
    with job_manager(jobs={"/v1/jobs/7/exceptions": tells(history)}) as server:
        assert root_cause(Flink(server.authority, POOL).why_failed("7")) == told


def test_a_failure_without_a_reason_is_told_as_such() -> None:
    """If Flink has no exception for a failed job, the reason points to the JobManager's log."""
    with job_manager(jobs={"/v1/jobs/7/exceptions": tells({"exceptionHistory": {"entries": []}})}) as server:
        assert "JobManager's log" in Flink(server.authority, POOL).why_failed("7")


def metric(step: str, name: str, payload: bytes, kind: str = "sum_int64") -> object:
    """Give a metric as Beam's runner writes it into its accumulator."""
    labels = {"PTRANSFORM": step, "NAMESPACE": "facebeam", "NAME": name}
    packed = b64encode(payload).decode()
    return {
        "urn": f"beam:metric:user:{kind}:v1",
        "type": f"beam:metrics:{kind}:v1",
        "payload": packed,
        "labels": labels,
    }


def test_the_counts_of_a_job_are_in_an_accumulator() -> None:
    """Counts are added up over the steps, without Beam's own metrics and other accumulators."""
    attempted = [
        metric("read", "rows", b"\x07"),
        metric("read", "dead_timeout", b"\x01"),
        metric("annotate", "dead_timeout", b"\x02"),
        metric("annotate", "latency_ms", b"\x02\x1e\x0a\x14", "distribution_int64"),
        {"urn": "beam:metric:element_count:v1", "type": "beam:metrics:sum_int64:v1", "payload": "BQ=="},
    ]
    text = json.dumps({"metrics": {"attempted": attempted}})
    accumulators = [{"name": "x", "value": "5"}, {"name": "__metricscontainers", "value": text}]
    jobs = {"/v1/jobs/7/accumulators": tells({"user-task-accumulators": accumulators})}
    with job_manager(jobs=jobs) as server:
        counts = Flink(server.authority, POOL).counts("7")
    assert (counts.metrics(), counts.latency_ms) == ({"rows": 7, "dead_timeout": 3}, 15.0)


UNREADABLE = {
    "new": tells({"user-task-accumulators": []}),
    "in another form": tells(
        {"user-task-accumulators": [{"name": "__metricscontainers", "value": "Counters(rows: 7)"}]}
    ),
    "unknown": tells({"errors": ["no such job"]}, "404 Not Found"),
}


@pytest.mark.parametrize("job", UNREADABLE)
def test_a_job_without_readable_counts_has_none(job: str) -> None:
    """A job that is new or unknown, or whose metrics have another form, has no counts; it is not an error."""
    with job_manager(jobs={"/v1/jobs/7/accumulators": UNREADABLE[job]}) as server:
        assert not Flink(server.authority, POOL).counts("7")
