"""Runs on a real Flink session cluster that are cancelled, detached or disturbed."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engines.flink.flink_console import (
    annotate,
    annotating,
    counts,
    job,
    on,
    wait_for_calls,
    wait_until_submitted,
)
from tests.engines.flink.session_cluster import SessionCluster, session_cluster
from tests.helpers.api_console import images
from tests.helpers.console import run_json, table, visible, write_urls
from tests.helpers.paid_service import faulty_process
from tests.helpers.waiting import DEADLINE_S

RATE_PER_S = 40
JOURNAL_S = 5
"""An answer is in the journal at most so many seconds after it came."""
ZOMBIE_S = 5
"""A worker goes on at most so many seconds after its TaskManager has died; 2 s were measured."""


@pytest.fixture
def service() -> Iterator[str]:
    """Start the stand-in service with a strict rate."""
    with faulty_process("--latency-ms", "100", "--rate", str(RATE_PER_S)) as url:
        yield url


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Write a manifest with images for twenty seconds."""
    return write_urls(tmp_path / "urls.txt", images(800))


def by_api(service: str) -> tuple[object, ...]:
    """Give the flags of the run `one` through the API, at the service's rate."""
    return ("--source", "api", "--base-url", service, "--rate", RATE_PER_S, "--run-id", "one")


def states(cluster: SessionCluster) -> list[str]:
    """Give the states of all jobs, newest first."""
    return [job["state"] for job in cluster.jobs()]


def repeated(seen: dict[str, int]) -> int:
    """Count answers that were paid for twice; leave out refused calls and as many as were in flight."""
    return seen["repeated"] - seen["refused"] - seen["most_in_flight"]


def test_sigterm_while_waiting_cancels_the_job(
    flink: SessionCluster, pool: str, service: str, manifest: Path, tmp_path: Path
) -> None:
    """A waiting run that gets SIGTERM cancels its job and exits with 143; it leaves no jar and no file."""
    with annotating(manifest, tmp_path / "out", *by_api(service), *on(flink, pool)) as process:
        wait_for_calls(service, 5, process)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 143, said
    assert "is cancelled, run one is not visible" in said
    assert states(flink)[0] == "CANCELED"
    assert flink.jars() == []
    assert visible(tmp_path / "out") == []


def test_a_detached_run_is_cancelled_and_run_again(
    flink: SessionCluster, pool: str, service: str, tmp_path: Path
) -> None:
    """A second submit of a running run exits with 2.

    After `cancel`, a new submit goes on from the journal, and `finalize` commits it.
    """
    manifest, out = write_urls(tmp_path / "urls.txt", images(400)), tmp_path / "out"
    flags = (*by_api(service), *on(flink, pool), "--detach")
    detached = annotate(manifest, out, *flags)
    assert detached.returncode == 0, detached.stderr
    wait_for_calls(service, 5)
    assert job("status", out).stdout == "running\n"
    second = annotate(manifest, out, *flags)
    assert second.returncode == 2
    assert f"run one is already running as flink job {flink.jobs()[0]['jid']}" in second.stderr
    cancelled = job("cancel", out)
    assert cancelled.returncode == 0, cancelled.stderr
    assert states(flink)[0] == "CANCELED"
    assert visible(out) == []
    assert annotate(manifest, out, *flags).returncode == 0
    finished = job("finalize", out)
    assert finished.returncode == 0, finished.stderr
    assert job("status", out).stdout == "committed\n"
    assert run_json(out, "one")["counts"]["ok"] == 400
    assert repeated(counts(service)) <= JOURNAL_S * RATE_PER_S


def test_a_killed_task_manager_costs_seconds(
    flink: SessionCluster, pool: str, service: str, manifest: Path, tmp_path: Path
) -> None:
    """A run commits correct tables after a TaskManager was killed.

    It repeats only the calls in flight and a few seconds of answers.
    """
    task_manager = flink.processes[-1]
    with annotating(manifest, tmp_path / "out", *by_api(service), *on(flink, pool)) as process:
        wait_for_calls(service, 300, process)
        task_manager.kill()
        flink.start_task_manager()
        _, said = process.communicate(timeout=DEADLINE_S)
    seen = counts(service)
    assert process.returncode == 0, said
    outcomes = table(tmp_path / "out", "images")
    assert sorted(outcomes["image_url"]) == sorted(images(800))
    assert len(table(tmp_path / "out", "faces")) == 800
    assert repeated(seen) <= JOURNAL_S * RATE_PER_S
    assert seen["refused"] <= ZOMBIE_S * RATE_PER_S


def test_a_master_that_dies_is_given_up_on(logs: Path, pool: str, manifest: Path, tmp_path: Path) -> None:
    """A run whose JobManager dies exits with 1 and shows the `finalize` command.

    A restarted JobManager does not know the job, so `finalize` exits with 1.
    """
    with session_cluster(logs / "mortal") as cluster:
        flags = ("--source", "fake", "--run-id", "one", *on(cluster, pool))
        with annotating(manifest, tmp_path / "out", *flags) as process:
            wait_until_submitted(process)
            cluster.processes[0].kill()
            _, said = process.communicate(timeout=DEADLINE_S)
        assert process.returncode == 1
        assert f"the JobManager at {cluster.address} does not answer" in said
        assert f"continue with 'facebeam finalize --run one --output {tmp_path / 'out'}'" in said
        assert job("status", tmp_path / "out").returncode == 2
        cluster.start_job_manager()
        finished = job("finalize", tmp_path / "out")
    assert finished.returncode == 1
    assert "is gone" in finished.stderr
    assert visible(tmp_path / "out") == []
