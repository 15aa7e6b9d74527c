"""Runs on Dataflow: Beam's real client and real workers, with stand-ins for Google's services."""

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree

import pandas as pd
import pytest
from apache_beam.portability.api import beam_runner_api_pb2 as protos

from facebeam.runners.clusters.portable import Portable
from facebeam.runners.clusters.submitted_job import job_name
from facebeam.schemas.layout import Layout
from tests.engines.test_portable import tables
from tests.helpers.api_console import TOKEN, UNPACED, VARIABLE, annotate_by_api, images
from tests.helpers.beam_job_service import job_service
from tests.helpers.console import TABLES, Finished, run_json, write_urls
from tests.helpers.dataflow_service import DataflowService, Job, user_metric, wait_for_ever
from tests.helpers.dataflow_work import StagedJobs
from tests.helpers.google_account import service_account
from tests.helpers.google_cloud import IMAGE, PLACE, Cloud
from tests.helpers.object_store import BUCKET, gcs_emulator
from tests.helpers.paid_service import FaultyServer
from tests.helpers.processes import free_port
from tests.helpers.worker_pool import worker_pool
from tests.runners.test_token_canary import PIECES, unpacked

pytestmark = pytest.mark.slow

ACCOUNT = "workers@a-project.iam.gserviceaccount.com"
SUBMITTERS = "token-of-the-submitter"
"""The submitter's own token: workers do not use it, and no file may contain it."""
OUTPUT = f"gs://{BUCKET}/out"
URLS = [*images(40), *images(10), "https://images.example.com/fault-upstream_empty/a.jpg"]


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """Start the object store, the service and the engine that runs its jobs; only workers have the token."""
    folder = tmp_path_factory.mktemp("dataflow")
    with ExitStack() as opened:
        store = opened.enter_context(gcs_emulator(folder / "store.log"))
        engine = opened.enter_context(job_service(folder / "engine.log"))
        service = opened.enter_context(DataflowService())
        account = service_account(folder / "account.json", f"{service.endpoint}/token")
        cloud = Cloud(store, service, account, SUBMITTERS)
        pool = opened.enter_context(worker_pool(folder / "pool.log", {**cloud.env, VARIABLE: TOKEN}))
        service.work = StagedJobs(store, Portable(engine, pool), folder).work
        yield cloud


@pytest.fixture(scope="module")
def idle(cloud: Cloud) -> Iterator[Cloud]:
    """Give the same cloud with a service whose jobs run until they are cancelled."""
    with DataflowService(wait_for_ever) as service:
        yield cloud.with_service(service)


@dataclass(frozen=True)
class Ran:
    """A run through the API on Dataflow, and a second, detached run over the same images."""

    first: Finished
    detached: Finished
    finalized: Finished
    status: str
    """What `status` printed after both runs."""
    calls: list[int]
    """The number of API calls so far, after each run."""
    job: Job
    """The Dataflow job of the first run."""
    here: Path
    """The output of the same run with the local runner."""


@pytest.fixture(scope="module")
def ran(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """Run twice on Dataflow, the first time with every worker option, and once with the local runner."""
    folder, calls, run = tmp_path_factory.mktemp("ran"), [], ("--run", "two", "--output", OUTPUT)
    manifest = cloud.store.put("in/urls.txt", "\n".join(URLS))
    with FaultyServer() as server:
        api = ("--source", "api", "--base-url", server.base_url, "--rate", 500)
        workers = ("--service-account-email", ACCOUNT, "--max-num-workers", 3, "--no_use_public_ips")
        first = cloud.annotate(manifest, OUTPUT, *api, *workers, "--run-id", "one")
        calls.append(server.calls)
        detached = cloud.annotate(manifest, OUTPUT, *api, "--run-id", "two", "--detach")
        finalized = cloud.facebeam("finalize", *run)
        status = cloud.facebeam("status", *run).stdout
        calls.append(server.calls)
        write_urls(folder / "urls.txt", URLS)
        annotate_by_api(server.base_url, folder / "urls.txt", folder / "out", *UNPACED, "--run-id", "one")
    job = next(iter(cloud.service.jobs.values()))
    return Ran(first, detached, finalized, status, calls, job, folder / "out")


def test_a_run_is_committed_in_the_bucket(ran: Ran, cloud: Cloud, tmp_path: Path) -> None:
    """A Dataflow run exits with 0 and commits a local run's rows and its record; it leaves no other file."""
    assert ran.first.returncode == 0, ran.first.stderr
    assert "the run begins no image later than 9 days from now" in ran.first.stderr
    there = cloud.store.download("out", tmp_path / "out")
    for table in TABLES:
        rmtree(there / table / "run=two")
    record = run_json(there, "one")
    assert (record["counts"]["rows_read"], record["calls"]["sent"]) == (51, 41)
    assert record["manifests"].keys() == {f"gs://{BUCKET}/in/urls.txt"}
    for name, frame in tables(ran.here).items():
        pd.testing.assert_frame_equal(tables(there)[name], frame)
    assert cloud.store.names("out/_staging/") == []
    names = ("_SUCCESS", "first_try.json", "run.json")
    assert cloud.store.names("out/_runs/one/") == [f"out/_runs/one/{name}" for name in names]


def test_a_second_run_is_answered_by_the_journal(ran: Ran, cloud: Cloud) -> None:
    """A second run reads all answers of the first from the journal in the bucket and makes no call."""
    assert ran.calls == [41, 41]
    record = json.loads(cloud.store.read(f"{OUTPUT}/_runs/two/run.json"))
    assert (record["calls"]["from_journal"], record["calls"]["sent"]) == (41, 0)


def test_a_detached_run_is_found_again(ran: Ran) -> None:
    """`annotate --detach` ends without a report. `finalize` waits for the end of the run and reports it."""
    assert (ran.detached.returncode, ran.detached.stdout) == (0, ""), ran.detached.stderr
    assert ran.finalized.returncode == 0, ran.finalized.stderr
    assert "from the journal" in ran.finalized.stdout
    assert ran.status == "committed\n"


def test_what_dataflow_is_told_of_workers(ran: Ran) -> None:
    """Dataflow gets name, label, image, account, private addresses and a fixed number of workers."""
    name = job_name(Layout(OUTPUT, "one"))
    assert (ran.job.name, ran.job.submitted["labels"]) == (name, {"facebeam-run": name})
    environment = ran.job.submitted["environment"]
    assert environment["serviceAccountEmail"] == ACCOUNT
    assert "no_use_multiple_sdk_containers" in environment["experiments"]
    (workers,) = environment["workerPools"]
    assert workers["workerHarnessContainerImage"] == IMAGE
    assert [each["containerImage"] for each in workers["sdkHarnessContainerImages"]] == [IMAGE]
    assert workers["numWorkers"] == 3
    assert workers["autoscalingSettings"] == {"algorithm": 1}  # AUTOSCALING_ALGORITHM_NONE
    assert workers["ipConfiguration"] == 2  # WORKER_IP_PRIVATE
    assert environment["tempStoragePrefix"].startswith(f"storage.googleapis.com/{BUCKET}/temp/temp/")
    assert environment["sdkPipelineOptions"]["options"]["sdk_location"] == "container"


def test_nothing_of_the_submitters_machine_is_staged(ran: Ran, cloud: Cloud) -> None:
    """The submitter stages only the pipeline: no list of packages, no archive and no token.

    The search finds the name of the token's variable, so it would find a token too.
    """
    assert [name.split("/")[-1] for name in cloud.store.names("temp/staging/")] == ["pipeline.pb"] * 2
    staged = cloud.store.read(
        ran.job.submitted["environment"]["sdkPipelineOptions"]["options"]["pipelineUrl"]
    )
    texts = [json.dumps(ran.job.submitted).encode(), *unpacked(staged)]
    assert any(VARIABLE.encode() in text and b"_AnnotateShard" in text for text in texts)
    for piece in (*PIECES, cloud.token, "apache-beam=="):
        assert not [text for text in texts if piece.encode() in text]


def test_the_counts_of_a_job_are_shown(ran: Ran, cloud: Cloud) -> None:
    """`status` shows the counts that Dataflow has of a job: those of the tables, and of the calls."""
    place = {"project": "a-project", "region": "europe-west1", "dataflow_endpoint": cloud.service.endpoint}
    record = {"job_name": ran.job.name, "job_id": ran.job.job_id, "submitted_at": ""}
    cluster = {"cluster": {"runner": "dataflow", **place}}
    cloud.store.put("again/_runs/one/job.json", json.dumps(record | cluster))
    shown = cloud.facebeam("status", "--run", "one", "--output", f"gs://{BUCKET}/again")
    assert shown.stdout == "done\n"
    counts = r"writing: 51 of 51; 50 faces, 1 dead: 1 \w+; 41 calls; latency [\d,]+ ms\n"
    assert re.search(counts, shown.stderr), shown.stderr


def test_the_memory_of_a_worker_is_in_the_job(idle: Cloud) -> None:
    """A job without a rate has one environment for all of its steps, with the memory that a worker needs."""
    manifest, output = idle.store.put("in/few.txt", "\n".join(images(20))), f"gs://{BUCKET}/hint"
    launched = idle.annotate(manifest, output, "--source", "fake", "--run-id", "hint", "--detach")
    assert launched.returncode == 0, launched.stderr
    (job,) = (job for job in idle.service.jobs.values() if job.name == job_name(Layout(output, "hint")))
    options = job.submitted["environment"]["sdkPipelineOptions"]["options"]
    staged = protos.Pipeline.FromString(idle.store.read(options["pipelineUrl"])).components
    (environment,) = {step.environment_id for step in staged.transforms.values()} - {""}
    hints = dict(staged.environments[environment].resource_hints)
    assert hints == {"beam:resources:min_ram_bytes:v1": b"2000000000"}
    (workers,) = job.submitted["environment"]["workerPools"]
    assert [each["containerImage"] for each in workers["sdkHarnessContainerImages"]] == [IMAGE]


def test_a_token_that_workers_cannot_read_is_told(cloud: Cloud) -> None:
    """If workers cannot read the token file, the run exits with 1 and names it.

    It makes no call and leaves no file.
    """
    manifest, output = cloud.store.put("in/few.txt", "\n".join(images(20))), f"gs://{BUCKET}/failed"
    with FaultyServer() as server:
        token = ("--base-url", server.base_url, "--token-file", f"gs://{BUCKET}/no/token")
        finished = cloud.annotate(manifest, output, "--source", "api", *token, "--run-id", "one")
        assert (finished.returncode, server.calls) == (1, 0), finished.stderr
    assert f"run one is not committed: token file gs://{BUCKET}/no/token cannot be read" in finished.stderr
    assert "Traceback" not in finished.stderr
    assert cloud.store.names("failed/") == ["failed/_runs/one/first_try.json"]


def test_a_job_is_cancelled(idle: Cloud) -> None:
    """`status` reports a running job, and a second submit exits with 2.

    `cancel` then ends the job by one request, and the run leaves no file.
    """
    manifest, output = idle.store.put("in/few.txt", "\n".join(images(20))), f"gs://{BUCKET}/cancelled"
    start = (manifest, output, "--source", "fake", "--run-id", "one", "--detach")
    run = ("--run", "one", "--output", output)
    assert idle.annotate(*start).returncode == 0
    (job,) = (job for job in idle.service.jobs.values() if job.name == job_name(Layout(output, "one")))
    job.metrics = [
        user_metric("s2", "rows", 20, tentative=True),
        user_metric("s2", "rows", 20, tentative=False),
        user_metric("s7", "ok", 8, tentative=True),
        user_metric("s7", "dead_timeout", 1, tentative=True),
        user_metric("s7", "faces", 9, tentative=True),
        user_metric("s7", "faces", 900, tentative=True, namespace="another"),
        user_metric("s7", "latency_ms", {"count": 8, "sum": 88, "min": 1, "max": 40}, tentative=True),
    ]
    asked = idle.facebeam("status", *run)
    assert asked.stdout == "running\n"
    assert "annotating: 9 of 20; 9 faces, 1 dead: 1 timeout; latency 11 ms" in asked.stderr
    (workers,) = job.submitted["environment"]["workerPools"]
    assert workers["autoscalingSettings"] == {"algorithm": 2}  # AUTOSCALING_ALGORITHM_BASIC: nothing paces it
    second = idle.annotate(*start)
    assert second.returncode == 2
    assert [each for each in idle.service.jobs.values() if each.name == job.name] == [job]
    assert f"run one is already running as dataflow job {job.job_id}: 'facebeam finalize'" in second.stderr
    cancelled = idle.facebeam("cancel", *run)
    assert cancelled.returncode == 0, cancelled.stderr
    assert idle.service.updates == [{"requestedState": 5}]
    assert job.state == "JOB_STATE_CANCELLED"
    assert idle.store.names("cancelled/") == ["cancelled/_runs/one/first_try.json"]


def test_a_flex_templates_job_is_found_by_its_name(idle: Cloud) -> None:
    """A template launch describes a job but does not create it. `status` finds the job once it is created."""
    manifest, output = idle.store.put("in/few.txt", "\n".join(images(20))), f"gs://{BUCKET}/template"
    jobs = len(idle.service.jobs)
    launch = (f"--template_location=gs://{BUCKET}/launch/job_object", "--job_name=nightly", "--detach")
    launched = idle.annotate(manifest, output, "--source", "fake", "--run-id", "one", *launch)
    assert (launched.returncode, len(idle.service.jobs)) == (0, jobs), launched.stderr
    idle.service.take(json.loads(idle.store.read(f"gs://{BUCKET}/launch/job_object")))
    assert idle.facebeam("status", "--run", "one", "--output", output).stdout == "running\n"


REFUSED = {
    "region": ({"--region": "europe-west9"}, OUTPUT, "region europe-west9 (400 "),
    "temp location": (
        {"--temp-location": "gs://nobody-has-it/temp"},
        OUTPUT,
        "cannot write gs://nobody-has-it/temp/staging/",
    ),
    "output": (
        {"--journal": f"gs://{BUCKET}/journal"},
        "gs://nobody-has-it/out",
        "cannot list gs://nobody-has-it/out/_runs/",
    ),
    "journal": ({"--journal": "gs://nobody-has-it/a"}, OUTPUT, "cannot write gs://nobody-has-it/a/"),
    "Beam's flags": (
        {"--pickle_library": "dill"},
        OUTPUT,
        "pickle_library=dill is set, but dill is not installed",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_is_refused_before_anything_is_sent(idle: Cloud, case: str) -> None:
    """A run that cannot work exits with 2, names the wrong value, and creates no job and no object."""
    changes, output, said = REFUSED[case]
    manifest = idle.store.put("in/few.txt", "\n".join(images(20)))
    jobs, names = len(idle.service.jobs), idle.store.names()
    finished = idle.annotate(manifest, output, "--source", "fake", place=PLACE | changes)
    assert finished.returncode == 2, finished.stderr
    assert said in finished.stderr
    assert "Traceback" not in finished.stderr
    assert (len(idle.service.jobs), idle.store.names()) == (jobs, names)


def test_a_job_of_the_same_name_is_told(idle: Cloud) -> None:
    """A run exits with 2 and names an active job of the same name, even without a record of that job."""
    manifest, output = idle.store.put("in/few.txt", "\n".join(images(20))), f"gs://{BUCKET}/named"
    other = idle.service.take({"name": job_name(Layout(output, "one")), "clientRequestId": "its own"})
    finished = idle.annotate(manifest, output, "--source", "fake", "--run-id", "one")
    assert finished.returncode == 2
    assert f"job {other.name} is active already ({other.job_id})" in finished.stderr
    assert idle.store.names("named/") == []


def test_a_service_that_is_away_is_told(idle: Cloud) -> None:
    """`status` exits with 2 and names project and region if Dataflow does not answer."""
    output = f"gs://{BUCKET}/away"
    place = {
        "project": "a-project",
        "region": "europe-west1",
        "dataflow_endpoint": f"http://localhost:{free_port()}",
    }
    cluster = {"runner": "dataflow", **place}
    record = {"job_name": "a", "job_id": "b", "submitted_at": "", "cluster": cluster}
    idle.store.put("away/_runs/one/job.json", json.dumps(record))
    finished = idle.facebeam("status", "--run", "one", "--output", output)
    assert (finished.returncode, finished.stdout) == (2, "")
    assert "Dataflow does not answer for project a-project, region europe-west1" in finished.stderr
