"""Fixtures with a real Flink, for all tests of this folder: `make flink-test`."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engines.flink.session_cluster import FLINK, JOB_SERVER_JAR, SessionCluster, session_cluster
from tests.helpers.api_console import TOKEN, VARIABLE
from tests.helpers.worker_pool import BOOT, worker_pool


@pytest.fixture(scope="session")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder for the programs' logs; skip the tests if a program is missing."""
    for needed, by in ((FLINK / "ready", "Java and Maven"), (JOB_SERVER_JAR, "Maven"), (BOOT, "Go")):
        if not needed.exists():
            pytest.skip(f"{needed} is not there: 'make flink-test' makes it where there is {by}")
    return tmp_path_factory.mktemp("flink")


@pytest.fixture(scope="session")
def cluster(logs: Path) -> Iterator[SessionCluster]:
    """Start one cluster for all tests; it survives the loss of its JobManager."""
    with session_cluster(logs / "cluster", high_availability=True) as started:
        yield started


@pytest.fixture
def flink(cluster: SessionCluster) -> SessionCluster:
    """Wait until all slots of the cluster are free, and give the cluster."""
    cluster.wait_for_slots()
    return cluster


@pytest.fixture(scope="session")
def pool(logs: Path) -> Iterator[str]:
    """Start a worker pool; only its workers have the token."""
    with worker_pool(logs / "pool.log", {VARIABLE: TOKEN}) as address:
        yield address
