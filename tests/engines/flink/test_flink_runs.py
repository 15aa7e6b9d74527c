"""A run on a real Flink session cluster is the same as a local run."""

import csv
from pathlib import Path

import pandas as pd
import pytest

from facebeam.runners.clusters.flink import Flink
from tests.engines.flink.flink_console import annotate, counts, on
from tests.engines.flink.session_cluster import SLOTS, SessionCluster
from tests.engines.test_portable import tables
from tests.helpers import console
from tests.helpers.api_console import images
from tests.helpers.console import ROOT, run_json, table, visible, write_urls
from tests.helpers.paid_service import FaultyServer, faulty_process
from tests.helpers.worker_pool import worker_pool


@pytest.fixture(scope="module")
def photographs(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the demo's manifest with absolute paths, which workers find too."""
    manifest = tmp_path_factory.mktemp("manifest") / "photos.csv"
    with (ROOT / "examples/photos.csv").open() as relative, manifest.open("w") as absolute:
        rows = csv.DictReader(relative)
        writer = csv.DictWriter(absolute, rows.fieldnames or ())
        writer.writeheader()
        writer.writerows(row | {"image_url": photos / Path(row["image_url"]).name} for row in rows)
    return manifest


def test_the_local_model_gives_the_same_tables(
    flink: SessionCluster, pool: str, photographs: Path, tmp_path: Path
) -> None:
    """A run on Flink gives the rows of a local run, cell by cell, uses all slots, and leaves no jar."""
    flags = ("--source", "local", "--allow-local-files", "--max-failure-share", 1, "--run-id", "one")
    assert console.annotate(photographs, tmp_path / "here", *flags).returncode == 0
    finished = annotate(photographs, tmp_path / "there", *flags, *on(flink, pool))
    assert finished.returncode == 0, finished.stderr
    here, there = tables(tmp_path / "here"), tables(tmp_path / "there")
    assert len(there["faces"]) >= 9
    for name, expected in here.items():
        pd.testing.assert_frame_equal(expected, there[name])
    newest = flink.jobs()[0]
    assert newest["state"] == "FINISHED"
    assert flink.parallelism(newest["jid"]) == SLOTS
    assert flink.jars() == []


def test_the_rate_holds_over_all_workers(flink: SessionCluster, pool: str, tmp_path: Path) -> None:
    """Two shards keep one rate: they call the service once per image, and it refuses no call.

    Flink's accumulators have the counts of the run.
    The service allows 10% more in any second, because on a busy machine calls do not arrive as they left.
    """
    manifest = write_urls(tmp_path / "urls.txt", images(400))
    with faulty_process("--latency-ms", "100", "--jitter-ms", "50", "--rate", "44") as service:
        api = ("--source", "api", "--base-url", service, "--rate", 40, "--shards", 2, "--run-id", "one")
        finished = annotate(manifest, tmp_path / "out", *api, *on(flink, pool))
        assert finished.returncode == 0, finished.stderr
        seen = counts(service)
    assert (seen["calls"], seen["refused"], seen["repeated"]) == (400, 0, 0)
    assert run_json(tmp_path / "out", "one")["counts"]["ok"] == 400
    assert len(table(tmp_path / "out", "faces")) == 400
    counted = Flink(flink.address, pool).counts(flink.jobs()[0]["jid"])
    assert counted.metrics() == dict.fromkeys(("rows", "ok", "faces", "calls", "called_rows"), 400)
    assert counted.latencies == 400


def test_a_token_that_workers_do_not_have_is_told(flink: SessionCluster, logs: Path, tmp_path: Path) -> None:
    """If workers have no token, the run exits with 1 and names variable and cure.

    It makes no call, publishes nothing and leaves no jar.
    """
    manifest = write_urls(tmp_path / "urls.txt", images(20))
    with worker_pool(logs / "pool-without-token.log") as pool, FaultyServer() as server:
        api = ("--source", "api", "--base-url", server.base_url)
        finished = annotate(manifest, tmp_path / "out", *api, *on(flink, pool))
        assert (finished.returncode, server.calls) == (1, 0)
    assert "environment variable ACEDATACLOUD_API_TOKEN is not set: export it on every" in finished.stderr
    assert "Traceback" not in finished.stderr
    assert visible(tmp_path / "out") == []
    assert flink.jars() == []


def test_a_pool_that_task_managers_do_not_reach_is_told(flink: SessionCluster, tmp_path: Path) -> None:
    """If TaskManagers cannot reach the pool, the run exits with 1 and names flag, address and cure.

    Only TaskManagers can find this out, because the pool's address is not on this machine.
    """
    manifest = write_urls(tmp_path / "urls.txt", images(20))
    finished = annotate(manifest, tmp_path / "out", "--source", "fake", *on(flink, "pool.invalid:50000"))
    assert finished.returncode == 1
    assert "get a worker from --worker-pool pool.invalid:50000 (UnknownHostException" in finished.stderr
    assert "start Beam's worker pool there, or correct the flag" in finished.stderr
    assert visible(tmp_path / "out") == []


def test_too_few_slots_are_told(flink: SessionCluster, pool: str, tmp_path: Path) -> None:
    """A run that needs more slots than Flink has exits with 2, names both numbers, and submits nothing."""
    manifest = write_urls(tmp_path / "urls.txt", images(20))
    before = flink.jobs()
    flags = ("--source", "fake", *on(flink, pool), "--parallelism", SLOTS + 1)
    finished = annotate(manifest, tmp_path / "out", *flags)
    assert finished.returncode == 2
    assert f"has {SLOTS} free slots of {SLOTS}, and the run needs {SLOTS + 1}" in finished.stderr
    assert flink.jobs() == before
