"""Rate, budget and circuit hold over all workers together: each shard has its part, on every engine."""

from pathlib import Path
from threading import Barrier

import pytest

from tests.helpers.api_console import UNPACED, annotate_by_api, images
from tests.helpers.console import run_json, table, write_urls
from tests.helpers.paid_service import FaultyServer, StrictBucket, from_call, paced
from tests.helpers.paid_service_answers import answers, fails
from tests.helpers.scripted_server import Exchange, Script

FOUR = ("--direct_running_mode=multi_processing", "--direct_num_workers=4", "--shards", 4)
"""Four worker processes, and a shard for each."""
LONG_S = 180


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Write a manifest of two hundred images."""
    return write_urls(tmp_path / "photos.txt", images(200))


def calls_of(output: Path, run_id: str) -> dict[str, int]:
    """Read what the run's record says of its calls."""
    calls: dict[str, int] = run_json(output, run_id)["calls"]
    return calls


def together(workers: int, then: Script) -> Script:
    """Hold the first calls until so many are there at the same time."""
    barrier = Barrier(workers, timeout=LONG_S)

    def script(exchange: Exchange) -> None:
        barrier.wait()
        then(exchange)

    return from_call(workers + 1, then, script)


def test_four_workers_keep_one_rate(manifest: Path, tmp_path: Path) -> None:
    """Expect four calls at the same time, one from each worker, and together one worker's rate.

    Four that kept the rate each for itself would send 160 a second. Calls bunch on the way where the machine
    is busy: the bucket has room for half as many again.
    """
    bucket = StrictBucket(60)
    with FaultyServer(together(4, paced(bucket, answers()))) as server:
        flags = (*FOUR, "--rate", 40, "--window", 4, "--run-id", "one")
        finished = annotate_by_api(server.base_url, manifest, tmp_path / "out", *flags)
    assert finished.returncode == 0, finished.stderr
    assert (bucket.allowed, bucket.refused) == (200, 0)
    assert len(table(tmp_path / "out", "images")) == 200


@pytest.mark.slow
def test_four_workers_spend_one_budget(manifest: Path, tmp_path: Path) -> None:
    """Expect the budget's calls to the call, though four spend it; the rest is not sent."""
    with FaultyServer() as server:
        flags = (*FOUR, *UNPACED, "--budget-calls", 50, "--run-id", "one")
        finished = annotate_by_api(server.base_url, manifest, tmp_path / "out", *flags)
        assert server.calls == 50
    assert finished.returncode == 3
    assert calls_of(tmp_path / "out", "one")["not_sent"] == 150


@pytest.mark.slow
def test_a_bad_account_stops_each_worker(manifest: Path, tmp_path: Path) -> None:
    """Expect no more calls than what four workers have in flight when each of them is told."""
    with FaultyServer(fails("401 Unauthorized", "invalid_token")) as server:
        flags = (*FOUR, *UNPACED, "--window", 8, "--run-id", "one")
        finished = annotate_by_api(server.base_url, manifest, tmp_path / "out", *flags)
        assert 4 <= server.calls <= 8
    assert finished.returncode == 3
    assert "invalid_token" in finished.stderr


def test_a_bundle_that_is_repeated_spends_no_second_budget(manifest: Path, tmp_path: Path) -> None:
    """Expect ten calls though the engine does everything twice: what the run has had already counts."""
    with FaultyServer() as server:
        flags = ("--direct_runner_bundle_repeat=1", *UNPACED, "--budget-calls", 10, "--run-id", "one")
        finished = annotate_by_api(server.base_url, manifest, tmp_path / "out", *flags)
        assert server.calls == 10
    assert finished.returncode == 3
    assert len(table(tmp_path / "out", "images")) == 10


def test_a_bundle_that_is_repeated_asks_no_second_time_what_is_to_be_asked_again(
    manifest: Path, tmp_path: Path
) -> None:
    """Expect the answers of an earlier run to be asked for again, and those of this run not."""
    with FaultyServer() as server:
        annotate_by_api(server.base_url, manifest, tmp_path / "out", *UNPACED)
        flags = ("--direct_runner_bundle_repeat=1", *UNPACED, "--ask-again", "ok,no_face")
        finished = annotate_by_api(server.base_url, manifest, tmp_path / "out", *flags)
        assert (finished.returncode, server.calls) == (0, 400)


def test_more_shards_than_calls_a_second_are_refused(manifest: Path, tmp_path: Path) -> None:
    """Expect exit 2 with both numbers and the cure, before anything is sent."""
    with FaultyServer() as server:
        finished = annotate_by_api(server.base_url, manifest, tmp_path / "out", "--rate", 2.5, "--shards", 4)
        assert (finished.returncode, server.calls) == (2, 0)
    assert "4 shards cannot share 2.5 calls a second: give --shards 2" in finished.stderr
