"""Runs on Flink 1.19, which Beam still supports, without high availability."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engines.flink.flink_console import annotating, job, on, same_tables, wait_until_submitted
from tests.engines.flink.session_cluster import SessionCluster, session_cluster
from tests.helpers.api_console import images
from tests.helpers.console import visible, write_urls
from tests.helpers.waiting import DEADLINE_S


@pytest.fixture(scope="module")
def old(logs: Path) -> Iterator[SessionCluster]:
    """Start a cluster of Flink 1.19."""
    with session_cluster(logs / "old", "1.19") as started:
        yield started


def test_flink_1_19_gives_the_same_tables(old: SessionCluster, pool: str, tmp_path: Path) -> None:
    """A run on Flink 1.19 gives the rows of a local run, cell by cell."""
    manifest = write_urls(tmp_path / "urls.txt", images(1000))
    there = same_tables(manifest, tmp_path, ("--source", "fake"), on(old, pool))
    assert len(there["images"]) + len(there["dead_letters"]) == 1000


def test_a_master_that_dies_is_given_up_on(old: SessionCluster, pool: str, tmp_path: Path) -> None:
    """A run whose JobManager dies exits with 1 and shows the `finalize` command.

    A restarted JobManager does not know the job, so `finalize` exits with 1.
    """
    manifest, out = write_urls(tmp_path / "urls.txt", images(800)), tmp_path / "out"
    with annotating(manifest, out, "--source", "fake", "--run-id", "one", *on(old, pool)) as process:
        wait_until_submitted(process)
        old.job_manager.kill()
        _, said = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 1
    assert f"the JobManager at {old.address} does not answer" in said
    assert f"continue with 'facebeam finalize --run one --output {out}'" in said
    assert job("status", out).returncode == 2
    old.start_job_manager()
    finished = job("finalize", out)
    assert finished.returncode == 1
    assert "is gone" in finished.stderr
    assert visible(out) == []
