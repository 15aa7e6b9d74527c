"""A run on a real Flink session cluster is the same as a local run."""

import csv
from pathlib import Path

import pytest

from facebeam.runners.clusters.flink import Flink
from tests.engines.flink.flink_console import annotate, annotating, counts, on, same_tables
from tests.engines.flink.large_manifests import write_wide
from tests.engines.flink.session_cluster import SLOTS, SessionCluster
from tests.helpers.api_console import images
from tests.helpers.console import ROOT, run_json, table, visible, write_urls
from tests.helpers.paid_service import FaultyServer, faulty_process
from tests.helpers.worker_pool import worker_pool

A_MILLION_WITHIN_S = 500


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
    flags = ("--source", "local", "--allow-local-files")
    there = same_tables(photographs, tmp_path, flags, on(flink, pool))
    assert len(there["faces"]) >= 9
    newest = flink.jobs()[0]
    assert newest["state"] == "FINISHED"
    assert flink.parallelism(newest["jid"]) == SLOTS
    assert flink.jars() == []


def test_a_wide_manifest_gives_the_same_tables(flink: SessionCluster, pool: str, tmp_path: Path) -> None:
    """Rows with long URLs and forty columns come through Flink as they are, also in a single shard."""
    manifest = write_wide(tmp_path / "wide.csv", rows=4000, columns=40)
    there = same_tables(manifest, tmp_path, ("--source", "fake", "--shards", 1), on(flink, pool))
    assert len(there["images"]) + len(there["dead_letters"]) == 4000
    assert {f"note_{number}" for number in range(40)} <= set(there["images"].columns)


def test_a_million_rows_in_one_shard(flink: SessionCluster, pool: str, tmp_path: Path) -> None:
    """A shard has no size that Flink's memory for sorting limits: here 128 MB are managed memory."""
    urls = (f"https://images.example.com/2026/11/{number:08d}.jpg" for number in range(1_000_000))
    manifest = write_urls(tmp_path / "urls.txt", urls)
    one_shard = ("--source", "fake", "--shards", 1, "--max-failure-share", 1, "--run-id", "one")
    with annotating(manifest, tmp_path / "out", *one_shard, *on(flink, pool)) as process:
        _, said = process.communicate(timeout=A_MILLION_WITHIN_S)
    assert process.returncode == 0, said
    assert run_json(tmp_path / "out", "one")["counts"]["rows_read"] == 1_000_000


def test_the_rate_holds_over_all_workers(flink: SessionCluster, pool: str, tmp_path: Path) -> None:
    """Two shards keep one rate: they call the service once per image, and it refuses no call.

    Flink's accumulators have the counts of the run.
    The service allows 10% more in any second, because on a busy machine calls do not arrive as they left.
    """
    manifest = write_urls(tmp_path / "urls.txt", images(300))
    with faulty_process("--latency-ms", "100", "--jitter-ms", "50", "--rate", "44") as service:
        api = ("--source", "api", "--base-url", service, "--rate", 40, "--shards", 2, "--run-id", "one")
        finished = annotate(manifest, tmp_path / "out", *api, *on(flink, pool))
        assert finished.returncode == 0, finished.stderr
        seen = counts(service)
    assert (seen["calls"], seen["refused"], seen["repeated"]) == (300, 0, 0)
    assert run_json(tmp_path / "out", "one")["counts"]["ok"] == 300
    assert len(table(tmp_path / "out", "faces")) == 300
    counted = Flink(flink.address, pool).counts(flink.jobs()[0]["jid"])
    assert counted.metrics() == dict.fromkeys(("rows", "ok", "faces", "calls", "called_rows"), 300)
    assert counted.latencies == 300


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
