"""How a run on a real Flink session cluster ends before its time, and how it is found again."""

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
"""Answers are in the journal at most so long after they came."""
ZOMBIE_S = 5
"""A worker outlives its TaskManager, until it misses it; 2 s were measured."""


@pytest.fixture
def service() -> Iterator[str]:
    """Serve at a strict rate."""
    with faulty_process("--latency-ms", "100", "--rate", str(RATE_PER_S)) as url:
        yield url


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Write images for twenty seconds."""
    return write_urls(tmp_path / "urls.txt", images(800))


def by_api(service: str) -> tuple[object, ...]:
    """Give the flags of a named run that the service paces."""
    return ("--source", "api", "--base-url", service, "--rate", RATE_PER_S, "--run-id", "one")


def states(cluster: SessionCluster) -> list[str]:
    """Give the states of all jobs, the last started first."""
    return [job["state"] for job in cluster.jobs()]


def repeated(seen: dict[str, int]) -> int:
    """Count the answers that were paid for twice, but for those in flight when the first was lost."""
    return seen["repeated"] - seen["refused"] - seen["most_in_flight"]


def test_sigterm_while_waiting_cancels_the_job(
    flink: SessionCluster, pool: str, service: str, manifest: Path, tmp_path: Path
) -> None:
    """Expect exit 143, the job cancelled there, no jar left, nothing visible, no job left to ask after."""
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
    """Expect one job for a run at a time; cancelled, the next goes on from the journal, and is finalized."""
    manifest, out = write_urls(tmp_path / "urls.txt", images(400)), tmp_path / "out"
    flags = (*by_api(service), *on(flink, pool), "--detach")
    detached = annotate(manifest, out, *flags)
    assert detached.returncode == 0, detached.stderr
    wait_for_calls(service, 5)
    assert job("status", out).stdout == "running\n"
    second = annotate(manifest, out, *flags)
    assert second.returncode == 2
    assert f"run one is at work already, as flink job {flink.jobs()[0]['jid']}" in second.stderr
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
    """Expect the run to commit right tables, and to repeat what was in flight and a few seconds' answers."""
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
    """Expect exit 1 with the state, and the run to go on with; a master started anew knows no such job."""
    with session_cluster(logs / "mortal") as cluster:
        flags = ("--source", "fake", "--run-id", "one", *on(cluster, pool))
        with annotating(manifest, tmp_path / "out", *flags) as process:
            wait_until_submitted(process)
            cluster.processes[0].kill()
            _, said = process.communicate(timeout=DEADLINE_S)
        assert process.returncode == 1
        assert f"the JobManager at {cluster.address} does not answer" in said
        assert f"'facebeam finalize --run one --output {tmp_path / 'out'}' goes on from here" in said
        assert job("status", tmp_path / "out").returncode == 2
        cluster.start_job_manager()
        finished = job("finalize", tmp_path / "out")
    assert finished.returncode == 1
    assert "is gone" in finished.stderr
    assert visible(tmp_path / "out") == []
