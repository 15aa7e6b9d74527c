"""Runs on a real Flink session cluster that are cancelled, detached or disturbed."""

import signal
from collections.abc import Iterator
from pathlib import Path
from subprocess import Popen

import pytest

from tests.engines.flink.flink_console import (
    annotate,
    annotating,
    counts,
    job,
    on,
    wait_for_calls,
)
from tests.engines.flink.session_cluster import SessionCluster
from tests.helpers.api_console import images
from tests.helpers.console import run_json, table, visible, write_urls
from tests.helpers.paid_service import faulty_process
from tests.helpers.waiting import DEADLINE_S
from tests.helpers.worker_pool import kill_workers

RATE_PER_S = 40
IMAGES = 500
KILL_AT = 250
"""Number of calls after which a test kills a process; more than the journal may lose."""
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
    """Write a manifest with images for some twelve seconds."""
    return write_urls(tmp_path / "urls.txt", images(IMAGES))


def by_api(service: str) -> tuple[object, ...]:
    """Give the flags of the run `one` through the API, at the service's rate."""
    return ("--source", "api", "--base-url", service, "--rate", RATE_PER_S, "--run-id", "one")


def states(cluster: SessionCluster) -> list[str]:
    """Give the states of all jobs, newest first."""
    return [job["state"] for job in cluster.jobs()]


def check_committed(process: Popen[str], output: Path) -> None:
    """Wait for the end of a run that was disturbed; check that it is committed and has each row once."""
    _, said = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 0, said
    assert sorted(table(output, "images")["image_url"]) == sorted(images(IMAGES))
    assert len(table(output, "faces")) == IMAGES


def check_calls(seen: dict[str, int]) -> None:
    """Check that only calls in flight and a few seconds of answers were repeated.

    The service may have refused calls while the lost worker went on beside the new one.
    """
    in_vain = seen["refused"] + seen["most_in_flight"]
    assert seen["repeated"] - in_vain <= JOURNAL_S * RATE_PER_S
    assert seen["refused"] <= ZOMBIE_S * RATE_PER_S


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
    flink: SessionCluster, pool: str, service: str, manifest: Path, tmp_path: Path
) -> None:
    """A second submit of a running run exits with 2.

    After `cancel`, a new submit goes on from the journal, and `finalize` commits it.
    """
    out = tmp_path / "out"
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
    assert run_json(out, "one")["counts"]["ok"] == IMAGES
    check_calls(counts(service))


def test_a_killed_task_manager_costs_seconds(
    flink: SessionCluster, pool: str, service: str, manifest: Path, tmp_path: Path
) -> None:
    """A run commits correct tables after a TaskManager was killed and another was started."""
    with annotating(manifest, tmp_path / "out", *by_api(service), *on(flink, pool)) as process:
        wait_for_calls(service, KILL_AT, process)
        flink.task_manager.kill()
        flink.start_task_manager()
        check_committed(process, tmp_path / "out")
    check_calls(counts(service))


def test_killed_worker_processes_cost_seconds(
    flink: SessionCluster, pool: str, service: str, manifest: Path, tmp_path: Path
) -> None:
    """A run commits correct tables after the Python processes of its workers were killed."""
    with annotating(manifest, tmp_path / "out", *by_api(service), *on(flink, pool)) as process:
        wait_for_calls(service, KILL_AT, process)
        assert kill_workers(pool) > 0
        check_committed(process, tmp_path / "out")
    check_calls(counts(service))


def test_a_restarted_job_manager_costs_seconds(
    flink: SessionCluster, pool: str, service: str, manifest: Path, tmp_path: Path
) -> None:
    """With high availability, a run commits correct tables after its JobManager was killed and restarted.

    The command that waits for the job does not end meanwhile, and it is still the same job.
    """
    with annotating(manifest, tmp_path / "out", *by_api(service), *on(flink, pool)) as process:
        wait_for_calls(service, KILL_AT, process)
        job_id = flink.jobs()[0]["jid"]
        flink.job_manager.kill()
        flink.start_job_manager()
        check_committed(process, tmp_path / "out")
    assert [job["jid"] for job in flink.jobs()] == [job_id]
    check_calls(counts(service))
