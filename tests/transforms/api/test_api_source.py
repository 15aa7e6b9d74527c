"""The API source over real sockets: when it slows down, how much is in flight, what it never sends."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner

from facebeam.schemas.errors import ErrorCode
from facebeam.schemas.values import FailureError, ImageRequest
from facebeam.transforms.api.api_source import SERVER_FAULTS_IN_A_ROW, UNPACED_WINDOW, ApiSource
from facebeam.transforms.api.client import ApiClient
from facebeam.transforms.api.token import TokenReference
from facebeam.transforms.journal.journal import Journal
from facebeam.transforms.sources.face_source import OpenSource
from facebeam.transforms.sources.retry import RetryPolicy
from facebeam.transforms.steps.annotate_images import AnnotateImages, answer_or_failure
from tests.helpers.paid_service import FaultyServer, Latency, by_image_url, image_url_of, in_bursts, slow
from tests.helpers.paid_service_answers import answers, fails, retry_after
from tests.helpers.scripted_server import Exchange
from tests.helpers.values import row
from tests.helpers.waiting import wait_until

RATE = 200.0
FIRST_WINDOW = 262
"""`RATE` times 1.3 times a latency of 1 s, which the source assumes before the first answer, plus two."""
GOOD = ImageRequest("https://images.example.com/a.jpg")


@pytest.fixture
def server() -> Iterator[FaultyServer]:
    """Start a service that produces the fault that the image's URL names."""
    with FaultyServer() as server:
        yield server


@pytest.fixture
def source(server: FaultyServer, tmp_path: Path) -> ApiSource:
    """Give a source that calls the service."""
    return source_of(server, tmp_path)


def source_of(server: FaultyServer, folder: Path) -> ApiSource:
    """Give a source that calls a service, with a token that every test service accepts."""
    (folder / "token").write_text("made-up")
    return ApiSource(ApiClient(server.base_url, TokenReference(file=str(folder / "token"))), RATE)


def ask_for(opened: OpenSource, *faults: str) -> None:
    """Request one image for each of these faults, one after another; each request must fail."""
    for fault in faults:
        with pytest.raises(FailureError):
            opened.attempt(ImageRequest(f"https://images.example.com/fault-{fault}/a.jpg"))


def test_a_private_url_is_sent_only_when_allowed(server: FaultyServer, source: ApiSource) -> None:
    """A private URL fails with `forbidden_address`, unsent and unbilled, unless private URLs are allowed."""
    request = ImageRequest("http://10.0.0.1/a.jpg")
    one_call = replace(source, limits=replace(source.limits, calls=1))
    with one_call.open() as opened, pytest.raises(FailureError) as caught:
        opened.attempt(request)
    failure = caught.value.failure
    assert (failure.code, failure.was_sent) == (ErrorCode.FORBIDDEN_ADDRESS, False)
    assert (failure.maybe_billed, server.calls) == (False, 0)
    with replace(one_call, allow_private_urls=True).open() as opened:
        opened.attempt(request)
    assert server.calls == 1


@pytest.mark.parametrize("faults", [["too_many_requests"], ["busy"], ["api_error"] * SERVER_FAULTS_IN_A_ROW])
def test_a_service_that_is_asked_too_much_is_asked_less(source: ApiSource, faults: list[str]) -> None:
    """A throttling error, or three 500s in a row, makes the window less than half as large.

    The gateway turns throttling errors of its upstream into 500s.
    """
    with source.open() as opened:
        assert opened.window() == FIRST_WINDOW
        ask_for(opened, *faults)
        assert opened.window() < FIRST_WINDOW / 2


@pytest.mark.parametrize(
    ("faults", "said"),
    [
        ([], "None"),
        (["bad_request"], "None"),
        (["busy"], r"slowed to [\d.]+ calls/s: the service refused some"),
        (["pause"], r"waiting \d\d s: the service asked for a pause"),
        (["retry_after_long"], r"waiting \d\d s: the service asked for a pause"),
        (["fin_before"] * 5, "waiting: the service cannot be reached"),
        (["used_up"], "nothing more is sent: used_up"),
    ],
)
def test_it_says_what_calls_wait_for(tmp_path: Path, faults: list[str], said: str) -> None:
    """Progress shows what keeps calls from leaving, for a minute at most, or nothing."""
    with FaultyServer(pausing) as server, source_of(server, tmp_path).open() as opened:
        ask_for(opened, *faults)
        assert re.fullmatch(said, str(opened.why_slow()))


def pausing(exchange: Exchange) -> None:
    """Ask for a pause of 40 seconds, or answer by the image's URL."""
    script = retry_after("40") if "/fault-pause/" in image_url_of(exchange) else by_image_url(answers())
    script(exchange)


@pytest.mark.parametrize(
    "faults", [["api_error"] * 2, ["api_error", "api_error", "bad_request", "api_error"], ["fin_before"] * 5]
)
def test_other_failures_slow_nothing_down(source: ApiSource, faults: list[str]) -> None:
    """Other failures leave the window as it is; 500s reduce it only when three follow each other directly."""
    with source.open() as opened:
        ask_for(opened, *faults)
        assert opened.window() == FIRST_WINDOW


def test_the_window_follows_the_latency(source: ApiSource) -> None:
    """The window shrinks when answers come faster than the latency of 1 s that the source assumes first."""
    with source.open() as opened, ThreadPoolExecutor(4) as pool:
        list(pool.map(opened.attempt, [GOOD] * 60))
        assert opened.window() < FIRST_WINDOW / 2


def test_who_waits_to_retry_keeps_nobody_from_asking(source: ApiSource) -> None:
    """Each request that sleeps before a retry adds a place to the window; it wakes when all sending stops."""
    with source.open() as opened, ThreadPoolExecutor(3) as pool:
        sleepers = [pool.submit(opened.sleep, 3600) for _ in range(3)]
        wait_until(lambda: opened.window() == FIRST_WINDOW + 3)
        ask_for(opened, "used_up")
        for sleeper in sleepers:
            with pytest.raises(FailureError, match="used_up"):
                sleeper.result()
        assert opened.window() == FIRST_WINDOW


@pytest.mark.parametrize(
    ("rate", "window", "in_flight"), [(None, None, UNPACED_WINDOW), (None, 7, 7), (RATE, 7, 7)]
)
def test_a_window_that_is_given_is_kept(
    source: ApiSource, rate: float | None, window: int | None, in_flight: int
) -> None:
    """A window set by the user does not change; without a window and a rate the source uses a fixed one."""
    with replace(source, rate_per_s=rate, window=window).open() as opened:
        opened.attempt(GOOD)
        assert opened.window() == in_flight


@pytest.mark.slow
@pytest.mark.parametrize("status", ["429 Too Many Requests", "500 Internal Server Error"])
def test_bursts_of_refusals_lose_nothing(tmp_path: Path, status: str) -> None:
    """Every image is answered although the service refuses three of every twenty calls."""
    code = "too_many_requests" if status.startswith("429") else "api_error"
    policy = RetryPolicy(base_s=0.01)
    with FaultyServer(in_bursts(20, 3, fails(status, code), answers())) as server:
        with replace(source_of(server, tmp_path), rate_per_s=None).open() as opened:
            requests = [ImageRequest(f"https://images.example.com/{number}.jpg") for number in range(40)]
            results = [answer_or_failure(opened, request, "api", policy) for request in requests]
        assert [result.name for result in results] == ["ok"] * 40
        assert [result.attempts for result in results] == [4, *[1] * 16] * 2 + [4, *[1] * 5]


def test_the_engine_is_told_that_calls_wait_for_their_turn(tmp_path: Path) -> None:
    """AnnotateImages adds the time that calls wait for their turn to Beam's throttling counter.

    The counter tells an engine that more workers would only wait too.
    """
    rows = [row(number) for number in range(6)]
    with FaultyServer(slow(Latency(0.01), answers())) as server:
        source = replace(source_of(server, tmp_path), rate_per_s=2.0)
        pipeline = beam.Pipeline(FnApiRunner())
        _ = pipeline | beam.Create(rows) | AnnotateImages(source, Journal(str(tmp_path / "journal")))
        metrics = pipeline.run().metrics().query()
    told = [
        metric.committed
        for metric in metrics["counters"]
        if metric.key.metric.name == "cumulativeThrottlingSeconds"
    ]
    assert len(told) == 1
    assert 1 <= told[0] <= 10
