"""The stand-in service itself: its strict bucket, its latencies, its scripts and its counts."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from tests.helpers.paid_service import (
    FaultyServer,
    Latency,
    StrictBucket,
    faulty_process,
    from_call,
    in_bursts,
)
from tests.helpers.paid_service_answers import answers, fails
from tests.helpers.scripted_server import Script

BUSY = fails("500 Internal Server Error", "busy")


def ask(base_url: str, image_url: str = "https://example.com/a.jpg") -> int:
    """Make a call and give the HTTP status."""
    return requests.post(f"{base_url}/face/analyze", json={"image_url": image_url}, timeout=20).status_code


def test_bucket_refuses_each_call_over_the_rate_in_any_second() -> None:
    """The bucket allows as many calls as the rate in any second. Refused calls do not fill the window."""
    times = [0.0, 0.1, 0.2, 0.9, 1.05, 1.15, 1.3, 5.0]
    clock = iter(times)
    bucket = StrictBucket(2, lambda: next(clock))
    assert [bucket.lets_in() for _ in times] == [True, True, False, False, True, True, False, True]
    assert (bucket.allowed, bucket.refused) == (5, 3)


def test_latency_repeats() -> None:
    """The same seed gives the same times, and all times lie within the jitter."""
    first, second = Latency(0.2, 0.05, seed=1), Latency(0.2, 0.05, seed=1)
    drawn = [first.next_s() for _ in range(100)]
    assert drawn == [second.next_s() for _ in range(100)]
    assert 0.15 <= min(drawn) < max(drawn) <= 0.25


@pytest.mark.parametrize(
    ("script", "statuses"),
    [
        (from_call(3, BUSY, answers()), [200, 200, 500, 500, 500, 500]),
        (in_bursts(3, 1, BUSY, answers()), [500, 200, 200, 500, 200, 200]),
    ],
    ids=["from_call", "in_bursts"],
)
def test_scripts_change_with_the_calls(script: Script, statuses: list[int]) -> None:
    """Each script answers with the fault exactly at the calls that it was made for."""
    with FaultyServer(script) as server:
        assert [ask(server.base_url) for _ in statuses] == statuses


def test_counts_calls_by_url() -> None:
    """The server counts all calls, refused calls, and calls that repeat a URL."""
    with FaultyServer(bucket=StrictBucket(3)) as server:
        for name in ("a", "a", "b", "fault-busy/a"):
            ask(server.base_url, f"https://example.com/{name}.jpg")
        counts = server.counts()
    assert (counts["calls"], counts["refused"], counts["repeated"]) == (4, 1, 1)


def test_serves_from_a_process_of_its_own() -> None:
    """The server answers, fails by the image's URL and counts calls in a separate process too."""
    with faulty_process("--latency-ms", "1", "--jitter-ms", "1", "--rate", "1000") as base_url:
        with ThreadPoolExecutor(8) as pool:
            urls = [f"https://example.com/{i}.jpg" for i in range(40)]
            assert set(pool.map(ask, [base_url] * 40, urls)) == {200}
        assert ask(base_url, "https://example.com/fault-used_up/a.jpg") == 403
        counts = requests.get(f"{base_url}/counts", timeout=20).json()
    assert (counts["calls"], counts["refused"], counts["repeated"]) == (41, 0, 0)
