"""Image hosts are asked politely: few downloads at a time, at a rate, and not while they ask for a pause."""

import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Barrier, BrokenBarrierError, Event, Lock
from time import monotonic

import pytest

from facebeam.schemas.errors import ErrorCode, RunError
from facebeam.schemas.values import Failure, FailureError
from facebeam.transforms.http.addresses import any_address
from facebeam.transforms.images.fetch_image import Fetch, ImageFetcher, host_of
from facebeam.transforms.images.host_turns import MOST_REFUSED_ROUNDS, HostLimits
from facebeam.transforms.steps.progress import PROGRESS
from tests.helpers.scripted_server import Exchange, ScriptedServer
from tests.helpers.waiting import wait_until


def polite(limits: HostLimits) -> ImageFetcher:
    """Make a fetcher with these limits that reaches the tests' servers."""
    return ImageFetcher(rule=any_address, host_limits=limits)


def failure_of(fetch: Fetch, url: str) -> Failure:
    """Fetch a URL that must fail, and give the failure."""
    with pytest.raises(FailureError) as caught:
        fetch(url)
    return caught.value.failure


@dataclass
class Crowd:
    """A script that counts the requests it has at a time, and waits a little for one more than allowed."""

    allowed: int
    peak: int = 0
    inside: int = 0
    lock: Lock = field(default_factory=Lock)

    def __post_init__(self) -> None:
        self.one_more = Barrier(self.allowed + 1)

    def __call__(self, exchange: Exchange) -> None:
        """Answer when one request too many is there, or after a moment."""
        with self.lock:
            self.inside += 1
            self.peak = max(self.peak, self.inside)
        with suppress(BrokenBarrierError):
            self.one_more.wait(0.2)
        with self.lock:
            self.inside -= 1
        exchange.answer(b"image")


def test_a_host_has_few_downloads_at_a_time() -> None:
    """Twelve threads, with a redirect in their way, download two images at a time from one host."""
    crowd = Crowd(2)
    with ScriptedServer({"/a": crowd}) as server, ScriptedServer({}) as other:
        place = {"Location": server.url("/a")}
        other.scripts = {"/": lambda exchange: exchange.answer(b"", "302 Found", place)}
        with polite(HostLimits(connections=2)).open() as fetch, ThreadPoolExecutor(12) as pool:
            assert set(pool.map(fetch, [server.url("/a"), other.url("/")] * 6)) == {b"image"}
    assert crowd.peak <= 2


def test_a_pause_is_said_while_images_wait_for_it() -> None:
    """Progress shows the host that asked for a pause, as long as an image of it waits."""
    pause = {"Retry-After": "50"}
    scripts = {"/": lambda exchange: exchange.answer(b"", "429 Too Many Requests", pause)}
    with (
        ScriptedServer(scripts) as server,
        polite(HostLimits(connections=1)).open() as fetch,
        ThreadPoolExecutor(1) as pool,
    ):
        failure_of(fetch, server.url("/"))
        assert fetch.turns.why_slow() is None
        late = pool.submit(fetch, server.url("/"))
        wait_until(lambda: fetch.turns.waiting == 1)
        said = str(fetch.turns.why_slow())
        PROGRESS.stop.set()
        with pytest.raises(RunError):
            late.result()
        PROGRESS.stop.clear()
    assert re.fullmatch(rf"waiting \d\d s: {server.authority} asked for a pause", said)


def test_a_slow_host_holds_up_no_other() -> None:
    """While all turns of one host are taken, another host is asked."""
    go_on = Event()

    def slow(exchange: Exchange) -> None:
        go_on.wait()
        exchange.answer(b"slow")

    with (
        ScriptedServer({"/": slow}) as server,
        ScriptedServer({"/": lambda exchange: exchange.answer(b"fast")}) as other,
        polite(HostLimits(connections=1)).open() as fetch,
        ThreadPoolExecutor(3) as pool,
    ):
        late = [pool.submit(fetch, server.url("/")) for _ in range(3)]
        assert fetch(other.url("/")) == b"fast"
        go_on.set()
        assert [each.result() for each in late] == [b"slow"] * 3


def test_the_rate_of_a_host_is_a_ceiling() -> None:
    """Five requests at fifty a second take at least four fiftieths of a second, with five threads too."""
    with (
        ScriptedServer({"/": lambda exchange: exchange.answer(b"image")}) as server,
        polite(HostLimits(rate_per_s=50)).open() as fetch,
        ThreadPoolExecutor(5) as pool,
    ):
        began = monotonic()
        list(pool.map(fetch, [server.url("/")] * 5))
        assert monotonic() - began >= 4 / 50


def test_a_host_that_asks_for_a_pause_gets_it() -> None:
    """After `Retry-After: 1` nothing is sent to that host for a second, by any thread."""
    answers = iter(["429 Slow down"])
    with (
        ScriptedServer(
            {"/": lambda e: e.answer(b"", next(answers, "200 OK"), {"Retry-After": "1"})}
        ) as server,
        polite(HostLimits()).open() as fetch,
        polite(HostLimits()).open() as of_another_shard,
    ):
        failure = failure_of(fetch, server.url("/"))
        began = monotonic()
        assert fetch.turns.is_busy(server.authority)
        assert of_another_shard(server.url("/")) == b""
    assert monotonic() - began >= 0.9
    assert (failure.code, failure.retry_after_s) == (ErrorCode.TOO_MANY_REQUESTS, 1.0)


def test_a_pause_that_is_too_long_is_not_waited_for() -> None:
    """A host that asks for a longer pause gets no request until then; another host does."""
    unavailable = {"/": lambda e: e.answer(b"", "503 Service Unavailable", {"Retry-After": "200"})}
    with ScriptedServer(unavailable) as server, ScriptedServer({"/": lambda e: e.answer(b"image")}) as other:
        with polite(HostLimits(longest_wait_s=100)).open() as fetch:
            assert failure_of(fetch, server.url("/")).code is ErrorCode.SERVER_ERROR
            failure = failure_of(fetch, server.url("/"))
            assert not fetch.turns.is_busy(server.authority)
            assert fetch(other.url("/")) == b"image"
        assert len(server.seen) == 1
    assert (failure.code, failure.was_sent) == (ErrorCode.TOO_MANY_REQUESTS, False)
    assert f"{server.authority} asks for fewer requests, so it gets none for" in failure.message


def test_a_host_that_refuses_every_time_is_left_alone() -> None:
    """After some refusals in a row a host gets no further request; one answer in between starts anew."""
    answers = iter(["429 No"] * (MOST_REFUSED_ROUNDS - 1) + ["200 OK"] + ["429 No"] * MOST_REFUSED_ROUNDS)
    with ScriptedServer({"/": lambda e: e.answer(b"", next(answers), {"Retry-After": "0"})}) as server:
        with polite(HostLimits()).open() as fetch:
            for _ in range(MOST_REFUSED_ROUNDS - 1):
                assert failure_of(fetch, server.url("/")).was_sent
            fetch(server.url("/"))
            for _ in range(MOST_REFUSED_ROUNDS):
                assert failure_of(fetch, server.url("/")).was_sent
            assert not failure_of(fetch, server.url("/")).was_sent
        assert len(server.seen) == 2 * MOST_REFUSED_ROUNDS


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://Example.com/a.jpg", "example.com"),
        ("http://example.com:80/", "example.com"),
        ("http://example.com:8080/", "example.com:8080"),
        ("/data/a.jpg", ""),
        ("http://[/", ""),
    ],
)
def test_a_host_goes_by_name_and_port(url: str, host: str) -> None:
    """Http and https of one host are one host; files and what is no URL have none."""
    assert host_of(url) == host
