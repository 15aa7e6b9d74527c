"""Rate, budget and circuit breaker hold for all workers together, because each shard has its part."""

from pathlib import Path
from threading import Barrier

import pytest

from tests.helpers.api_console import UNPACED, annotate_by_api, images
from tests.helpers.console import run_json, table, write_urls
from tests.helpers.paid_service import FaultyServer, StrictBucket, from_call, paced
from tests.helpers.paid_service_answers import answers, fails
from tests.helpers.scripted_server import Exchange, Script

FOUR = ("--direct_running_mode=multi_processing", "--direct_num_workers=4", "--shards", 4)
"""Four worker processes, and one shard for each."""
LONG_S = 180


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Write a manifest of two hundred images."""
    return write_urls(tmp_path / "photos.txt", images(200))


def calls_of(output: Path, run_id: str) -> dict[str, int]:
    """Read the counts of calls from the run's record."""
    calls: dict[str, int] = run_json(output, run_id)["calls"]
    return calls


def together(workers: int, then: Script) -> Script:
    """Hold the first calls until `workers` calls have arrived; then run the next script for every call."""
    barrier = Barrier(workers, timeout=LONG_S)

    def script(exchange: Exchange) -> None:
        barrier.wait()
        then(exchange)

    return from_call(workers + 1, then, script)


def test_four_workers_keep_one_rate(manifest: Path, tmp_path: Path) -> None:
    """Four workers send calls at the same time, and together they keep one worker's rate.

    If each worker kept the rate only for itself, they would send 160 calls per second. Calls arrive in
    bunches when the machine is busy, so the bucket allows half as many calls again.
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
    """Four workers together send exactly the calls of the budget; the rest is not sent."""
    with FaultyServer() as server:
        flags = (*FOUR, *UNPACED, "--budget-calls", 50, "--run-id", "one")
        finished = annotate_by_api(server.base_url, manifest, tmp_path / "out", *flags)
        assert server.calls == 50
    assert finished.returncode == 3
    assert calls_of(tmp_path / "out", "one")["not_sent"] == 150


@pytest.mark.slow
def test_a_bad_account_stops_each_worker(manifest: Path, tmp_path: Path) -> None:
    """A refused token stops each of four workers: only the calls that they have in flight arrive."""
    with FaultyServer(fails("401 Unauthorized", "invalid_token")) as server:
        flags = (*FOUR, *UNPACED, "--window", 8, "--run-id", "one")
        finished = annotate_by_api(server.base_url, manifest, tmp_path / "out", *flags)
        assert 4 <= server.calls <= 8
    assert finished.returncode == 3
    assert "invalid_token" in finished.stderr


def test_a_bundle_that_is_repeated_spends_no_second_budget(manifest: Path, tmp_path: Path) -> None:
    """If the engine repeats every bundle, both passes together send only the ten calls of the budget."""
    with FaultyServer() as server:
        flags = ("--direct_runner_bundle_repeat=1", *UNPACED, "--budget-calls", 10, "--run-id", "one")
        finished = annotate_by_api(server.base_url, manifest, tmp_path / "out", *flags)
        assert server.calls == 10
    assert finished.returncode == 3
    assert len(table(tmp_path / "out", "images")) == 10


def test_a_bundle_that_is_repeated_asks_no_second_time_what_is_to_be_asked_again(
    manifest: Path, tmp_path: Path
) -> None:
    """If bundles are repeated, --ask-again applies to an earlier run's answers, not to this run's own."""
    with FaultyServer() as server:
        annotate_by_api(server.base_url, manifest, tmp_path / "out", *UNPACED)
        flags = ("--direct_runner_bundle_repeat=1", *UNPACED, "--ask-again", "ok,no_face")
        finished = annotate_by_api(server.base_url, manifest, tmp_path / "out", *flags)
        assert (finished.returncode, server.calls) == (0, 400)


def test_more_shards_than_calls_a_second_are_refused(manifest: Path, tmp_path: Path) -> None:
    """A run with more shards than calls per second exits with 2 before any call and says what to give."""
    with FaultyServer() as server:
        finished = annotate_by_api(server.base_url, manifest, tmp_path / "out", "--rate", 2.5, "--shards", 4)
        assert (finished.returncode, server.calls) == (2, 0)
    assert "4 shards cannot share 2.5 calls per second: give --shards 2" in finished.stderr
