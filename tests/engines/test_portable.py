"""A run on Beam's job service is the same as a local run; its workers have our wheel and no source tree."""

import json
import re
import shutil
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE

import pandas as pd
import pytest

from facebeam.runners.clusters.portable import Portable
from tests.engines.test_prism import PRISM
from tests.helpers.api_console import TOKEN, VARIABLE, environment, images, with_token
from tests.helpers.beam_job_service import job_service
from tests.helpers.console import FACEBEAM, TABLES, Finished, facebeam, rehearse, run_json, table, write_urls
from tests.helpers.paid_service import FaultyServer
from tests.helpers.processes import free_port, running, serving
from tests.helpers.scripted_server import ScriptedServer
from tests.helpers.waiting import DEADLINE_S, wait_until
from tests.helpers.worker_pool import worker_environment, worker_pool

pytestmark = pytest.mark.slow

FAILING = ("--max-failure-share", 1)
CLOCK = ("latency_ms", "answered_at", "first_attempt_at", "last_attempt_at", "trace_id")


@dataclass(frozen=True)
class Engine:
    """A job service and its worker pool."""

    job_endpoint: str
    pool: str

    @property
    def flags(self) -> tuple[str, ...]:
        """Give the flags that select this engine."""
        return ("--runner", "portable", "--job-endpoint", self.job_endpoint, "--worker-pool", self.pool)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """Start the engine; only its workers have the token."""
    logs = tmp_path_factory.mktemp("engine")
    with (
        worker_pool(logs / "pool.log", {VARIABLE: TOKEN}) as pool,
        job_service(logs / "service.log") as address,
    ):
        yield Engine(address, pool)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a manifest with made-up images, duplicates, failing images and a bad row."""
    urls = [f"https://example.com/{number % 60}.jpg" for number in range(150)]
    failing = [f"https://example.com/fail-{code}/a.jpg" for code in ("not_found", "image_empty")]
    return write_urls(tmp_path_factory.mktemp("rows") / "urls.txt", [*urls, *failing, "no url"])


def tables(output: Path) -> dict[str, pd.DataFrame]:
    """Read all tables without the columns that differ in each run."""
    return {name: table(output, name).drop(columns=list(CLOCK), errors="ignore") for name in TABLES}


def submit(engine: Engine, manifest: Path, output: Path, *flags: object) -> Finished:
    """Run the fake source on the engine, with the run id `one`."""
    return rehearse(manifest, output, *engine.flags, "--run-id", "one", *flags)


def test_where_it_runs_changes_nothing_in_the_tables(engine: Engine, manifest: Path, tmp_path: Path) -> None:
    """A run on the engine gives the rows of a local run, cell by cell, and leaves no record of its job."""
    assert rehearse(manifest, tmp_path / "here", "--run-id", "one").returncode == 0
    finished = submit(engine, manifest, tmp_path / "there")
    assert finished.returncode == 0, finished.stderr
    here, there = tables(tmp_path / "here"), tables(tmp_path / "there")
    for name in TABLES:
        pd.testing.assert_frame_equal(here[name], there[name])
    assert not (tmp_path / "there/_runs/one/job.json").exists()


def test_the_local_model_sees_the_same_faces_there(engine: Engine, photos: Path, tmp_path: Path) -> None:
    """Workers that start in another folder find the demo's faces as a local run does, to the last bit."""
    for output, where in (("here", ()), ("there", engine.flags)):
        flags = ("--output", tmp_path / output, "--run-id", "one", "--allow-local-files", *FAILING, *where)
        finished = facebeam("annotate", "--manifest", "examples/photos.csv", *flags, cwd=photos.parent)
        assert finished.returncode == 0, finished.stderr
    here, there = tables(tmp_path / "here"), tables(tmp_path / "there")
    for name in ("faces", "images"):
        pd.testing.assert_frame_equal(here[name], there[name])
    assert len(here["faces"]) == 9


def test_the_token_is_the_workers_own(engine: Engine, tmp_path: Path) -> None:
    """Only workers need the token: a submitter without it gets answers, and a second run makes no call."""
    manifest = write_urls(tmp_path / "urls.txt", images(30))
    with FaultyServer() as server:
        api = ("--source", "api", "--base-url", server.base_url, "--rate", "200", *engine.flags)
        where = ("--manifest", str(manifest), "--output", str(tmp_path / "out"))
        for _ in range(2):
            finished = with_token("annotate", *where, *api, token=None)
            assert finished.returncode == 0, finished.stderr
        assert server.calls == 30


def test_a_token_that_workers_do_not_have_is_told(tmp_path: Path, manifest: Path) -> None:
    """If workers have no token, the run exits with 1 and names variable and cure.

    It makes no call and publishes nothing.
    """
    with (
        worker_pool(tmp_path / "pool.log") as pool,
        job_service(tmp_path / "service.log") as address,
        FaultyServer() as server,
    ):
        flags = ("--source", "api", "--base-url", server.base_url, *Engine(address, pool).flags)
        finished = facebeam("annotate", "--manifest", manifest, "--output", tmp_path / "out", *flags)
        assert (finished.returncode, server.calls) == (1, 0)
    assert f"environment variable {VARIABLE} is not set: export it on every worker" in finished.stderr
    assert "Traceback" not in finished.stderr
    assert not (tmp_path / "out/images").exists()


def test_a_worker_of_another_version_is_told(tmp_path: Path, manifest: Path) -> None:
    """A run exits with 1 and names both versions if a worker has another version of facebeam."""
    (installed,) = (worker_environment() / "lib").glob("python3*/site-packages/facebeam-*.dist-info")
    other = tmp_path / "other/facebeam-99.0.dist-info"
    shutil.copytree(installed, other)
    metadata = (other / "METADATA").read_text()
    version = installed.name.removeprefix("facebeam-").removesuffix(".dist-info")
    (other / "METADATA").write_text(metadata.replace(f"Version: {version}", "Version: 99.0", 1))
    with (
        worker_pool(tmp_path / "pool.log", {"PYTHONPATH": str(other.parent)}) as pool,
        job_service(tmp_path / "service.log") as address,
    ):
        finished = submit(Engine(address, pool), manifest, tmp_path / "out")
    assert finished.returncode == 1
    assert f"this worker has facebeam 99.0, but facebeam {version} submitted the run" in finished.stderr
    assert not (tmp_path / "out/images").exists()


def test_a_detached_run_is_found_again(engine: Engine, manifest: Path, tmp_path: Path) -> None:
    """A detached run returns at once, and `status` reports its state.

    `finalize` ends it as `annotate` would and tells `--notify-url`; a later `cancel` exits with 1.
    """
    with ScriptedServer({"/hook": lambda exchange: exchange.answer(b"ok")}) as server:
        told = ("--notify-url", server.url("/hook"))
        detached = submit(engine, manifest, tmp_path / "out", "--detach", *told)
        assert detached.returncode == 0, detached.stderr
        finish_detached(engine, tmp_path / "out", *told)
    assert {json.loads(posted.body)["event"] for posted in server.seen} == {"committed"}


def finish_detached(engine: Engine, output: Path, *told: object) -> None:
    """Ask for a detached run, wait for it, and try to cancel it."""
    job = json.loads((output / "_runs/one/job.json").read_text())
    assert job["cluster"]["runner"] == "portable"
    run = ("--run", "one", "--output", output)
    assert facebeam("status", *run).stdout.strip() in {"running", "done", "committed"}
    finished = facebeam("finalize", *run, *told)
    assert finished.returncode == 0, finished.stderr
    assert "rows" in finished.stdout
    counts, counted = (
        run_json(output, "one")["counts"],
        Portable(engine.job_endpoint, "").counts(job["job_id"]),
    )
    assert counts["rows_read"] == 153
    assert (counted.rows, counted.ok, counted.no_face) == (153, counts["ok"], counts["no_face"])
    assert (counted.faces, dict(counted.dead)) == (counts["faces"], counts["dead"])
    assert facebeam("status", *run).stdout == "committed\n"
    late = facebeam("cancel", *run)
    assert (late.returncode, late.stdout) == (1, "")
    assert "run one is committed already" in late.stderr


@pytest.mark.skipif(not PRISM.exists(), reason="no Prism: 'make .boot/ready' builds it where there is Go")
def test_a_run_can_be_watched(engine: Engine, tmp_path: Path) -> None:
    """On an engine that reports metrics of work in progress, `status` shows the counts so far.

    The engine is Prism, behind the job API; `cancel` then ends the run.
    """
    manifest = write_urls(tmp_path / "urls.txt", [*images(3000), "no url"])
    port, run = free_port(), ("--run", "one", "--output", tmp_path / "out")
    prism = [PRISM, f"--job_port={port}", "--serve_http=false"]
    with serving(prism, port, tmp_path / "prism.log") as address, FaultyServer() as server:
        api = ("--source", "api", "--base-url", server.base_url, "--rate", 20, "--detach")
        where = ("--manifest", manifest, "--output", tmp_path / "out", "--run-id", "one")
        flags = (*api, *Engine(address, engine.pool).flags)
        submitted = with_token("annotate", *where, *flags, token=None)
        assert submitted.returncode == 0, submitted.stderr
        seen = re.compile(r"annotating: \d+ of 3,001; [1-9]\d* faces")
        wait_until(lambda: seen.search(facebeam("status", *run).stderr) is not None)
        shown = facebeam("status", *run, "--log-format", "json")
        assert shown.stdout == "running\n"
        event = json.loads(shown.stderr)
        assert event["dead_letters"] == {"local_file_not_allowed": 1}
        assert event["done"] - 1 == event["faces"] == event["calls"] > 0
        assert facebeam("cancel", *run).returncode == 0


def test_a_run_that_was_not_submitted_is_told(tmp_path: Path) -> None:
    """`cancel` and `finalize` exit with 2 and say so if the run was not submitted."""
    for command in ("cancel", "finalize"):
        finished = facebeam(command, "--run", "none", "--output", tmp_path)
        assert finished.returncode == 2
        assert f"run none of {tmp_path} was not submitted to a cluster, or has ended" in finished.stderr


def test_nobody_there_is_told_before_anything_is_written(
    engine: Engine, manifest: Path, tmp_path: Path
) -> None:
    """If the job service or the pool does not answer, the run exits with 2 and names flag and address.

    The run stages nothing.
    """
    for flag in ("--job-endpoint", "--worker-pool"):
        closed = f"127.0.0.1:{free_port()}"
        finished = submit(engine, manifest, tmp_path / "out", flag, closed)
        assert finished.returncode == 2
        assert f"{flag} {closed} does not answer (" in finished.stderr
        assert not (tmp_path / "out/_staging").exists()


def test_paths_of_this_machine_are_refused_for_workers_elsewhere(manifest: Path, tmp_path: Path) -> None:
    """With a remote engine, a run with a local path exits with 2 before it connects.

    The error names the flag, the path and both cures.
    """
    flags = (
        "--runner",
        "portable",
        "--job-endpoint",
        "flink.invalid:8099",
        "--worker-pool",
        "localhost:50000",
    )
    finished = rehearse(manifest, tmp_path / "out", *flags)
    assert finished.returncode == 2
    assert f"--manifest {manifest} is on this machine" in finished.stderr
    assert "--shared-filesystem" in finished.stderr
    assert not (tmp_path / "out").exists()


def test_an_engine_that_dies_is_given_up_on(tmp_path: Path, manifest: Path) -> None:
    """A run that has not ended within --max-wait exits with 1 and shows the `finalize` command.

    `status` exits with 2 if the job service has ended since.
    """
    with (
        worker_pool(tmp_path / "pool.log") as pool,
        job_service(tmp_path / "service.log") as address,
    ):
        waiting = submit(Engine(address, pool), manifest, tmp_path / "out", "--max-wait", "1s")
    assert waiting.returncode == 1
    assert "has not ended within --max-wait" in waiting.stderr
    assert f"'facebeam finalize --run one --output {tmp_path / 'out'}'" in waiting.stderr
    finished = facebeam("status", "--run", "one", "--output", tmp_path / "out")
    assert (finished.returncode, finished.stdout) == (2, "")
    assert f"the job service at {address} does not answer: UNAVAILABLE" in finished.stderr


def test_ctrl_c_while_waiting_cancels_the_job(engine: Engine, tmp_path: Path) -> None:
    """A waiting run that is stopped by Ctrl-C cancels its job, exits with 130, and publishes nothing."""
    manifest = write_urls(tmp_path / "urls.txt", images(3000))
    with FaultyServer() as server:
        api = ("--source", "api", "--base-url", server.base_url, "--rate", "20", *engine.flags)
        where = ("--manifest", manifest, "--output", tmp_path / "out", "--run-id", "one")
        with running(
            [FACEBEAM, "annotate", *where, *api], stderr=PIPE, env=environment(token=None)
        ) as process:
            wait_until(lambda: server.calls >= 5 or process.poll() is not None)
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 130
    assert "is cancelled, run one is not visible" in said
    assert not (tmp_path / "out/images").exists()
    assert not (tmp_path / "out/_runs/one/job.json").exists()
