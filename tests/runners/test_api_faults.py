"""Transient faults and account faults through the command line; test_api_run has the other faults."""

from collections.abc import Collection
from itertools import count
from pathlib import Path
from threading import Event

import pytest

from facebeam.schemas.errors import ErrorCode
from tests.helpers.api_console import UNPACED, annotate_by_api, images
from tests.helpers.console import ends, run_json, write_urls
from tests.helpers.paid_service import FaultyServer, by_image_url, image_url_of
from tests.helpers.paid_service_answers import answers
from tests.helpers.scripted_server import Exchange, Script
from tests.transforms.api.test_client import ENDLESS, RETRIED, STOPPED

ACCOUNTS = STOPPED | {ErrorCode.UPSTREAM_ACCOUNT: RETRIED[ErrorCode.UPSTREAM_ACCOUNT]}
ACCOUNT_FAULTS = [(name, code) for code, names in ACCOUNTS.items() for name in names.split()]
LONG_PAUSES = {"retry_after_1e9", "retry_after_long", "retry_after_date"}
CODES = {
    name: code
    for code, names in RETRIED.items()
    if code not in ACCOUNTS
    for name in names.split()
    if name not in ENDLESS | LONG_PAUSES
}
REFUSALS = {name for name, code in CODES.items() if code.about.asks_to_slow_down}
FORMS = {name for name in REFUSALS if name.startswith("retry_after")}
ATTEMPTS = {ErrorCode.UPSTREAM_DOWNLOAD_FAILED: 3, ErrorCode.UPSTREAM_DETECTION_FAILED: 2}


def url_of(fault: str) -> str:
    """Name an image that meets the fault."""
    return f"https://images.example.com/fault-{fault}/a.jpg"


def faults_after(good: int) -> Script:
    """Answer no fault before this many good images: retries are a share of the calls that were sent."""
    seen, all_seen, script = count(1), Event(), by_image_url(answers())

    def held(exchange: Exchange) -> None:
        if "/fault-" in image_url_of(exchange):
            all_seen.wait()
        elif next(seen) == good:
            all_seen.set()
        script(exchange)

    return held


@pytest.mark.parametrize(
    ("faults", "good"),
    [
        (CODES.keys() - REFUSALS, 900),
        pytest.param(REFUSALS - FORMS, 20, marks=pytest.mark.slow),
        pytest.param(FORMS, 20, marks=pytest.mark.slow),
    ],
    ids=["faults", "refusals", "forms of Retry-After"],
)
def test_what_may_pass_is_asked_for_again(tmp_path: Path, faults: Collection[str], good: int) -> None:
    """Each transient fault ends with its own code after four attempts, or fewer if the contract says so."""
    manifest = write_urls(tmp_path / "urls.txt", [*images(good), *map(url_of, faults)])
    with FaultyServer(faults_after(good)) as server:
        finished = annotate_by_api(server.base_url, manifest, tmp_path / "out", *UNPACED)
        asked = {name: server.calls_by_url[url_of(name)] for name in faults}
    assert finished.returncode == 0, finished.stderr
    expected = dict.fromkeys(images(good), "1 faces")
    assert ends(tmp_path / "out") == expected | {url_of(name): str(CODES[name]) for name in faults}
    assert asked == {name: ATTEMPTS.get(CODES[name], 4) for name in faults}


@pytest.mark.parametrize(
    ("fault", "code"),
    [ACCOUNT_FAULTS[0], *(pytest.param(*fault, marks=pytest.mark.slow) for fault in ACCOUNT_FAULTS[1:])],
)
def test_the_account_stops_the_run_and_what_to_do_is_said(
    tmp_path: Path, fault: str, code: ErrorCode
) -> None:
    """An account fault ends the run with exit 3, and the error has code and cure, even for the only image."""
    manifest = write_urls(tmp_path / "urls.txt", [url_of(fault)])
    with FaultyServer(by_image_url(answers())) as server:
        finished = annotate_by_api(server.base_url, manifest, tmp_path / "out", *UNPACED)
    assert finished.returncode == 3
    assert f"({code}: {code.meaning}); run again to continue" in finished.stderr
    assert ends(tmp_path / "out") == {url_of(fault): str(code)}


@pytest.mark.parametrize("fault", sorted(LONG_PAUSES))
def test_a_pause_that_is_asked_for_ends_with_the_time(tmp_path: Path, fault: str) -> None:
    """If the service asks for a long pause, the run still ends at --max-duration and stores every row."""
    manifest = write_urls(tmp_path / "urls.txt", [url_of(fault), *images(20)])
    flags = ("--rate", 5, "--max-duration", "2s", "--run-id", "one")
    with FaultyServer(by_image_url(answers())) as server:
        finished = annotate_by_api(server.base_url, manifest, tmp_path / "out", *flags)
    assert finished.returncode == 3, finished.stderr
    assert len(ends(tmp_path / "out")) == 21
    assert run_json(tmp_path / "out", "one")["calls"]["not_sent"] > 0


def test_a_turn_that_never_comes_ends_with_the_time(tmp_path: Path) -> None:
    """At a rate of one call per 1000 s, the run ends at --max-duration after at most one call."""
    manifest = write_urls(tmp_path / "urls.txt", images(20))
    flags = ("--rate", 0.001, "--max-duration", "2s")
    with FaultyServer() as server:
        finished = annotate_by_api(server.base_url, manifest, tmp_path / "out", *flags)
        assert server.calls <= 1
    assert finished.returncode == 3
    assert f"{20 - server.calls} images were not asked for (window_closed" in finished.stderr
