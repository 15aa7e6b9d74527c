"""A service that is away for a while costs time and no row; one that is gone for good ends the run."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import sleep

import pytest

from tests.helpers.api_console import annotate_by_api, images, running_by_api
from tests.helpers.console import run_json, table, write_urls
from tests.helpers.paid_service import FaultyServer
from tests.helpers.waiting import DEADLINE_S, wait_until
from tests.helpers.warm_process import WarmProcess

ROWS = 400
PAGE = b"<html>We will be back soon.</html>"


def go_on(server: FaultyServer, process: WarmProcess, calls: int) -> None:
    """Wait until the service has had so many calls."""
    wait_until(lambda: server.calls >= calls or process.poll() is not None)


def lose_nothing_in_an_outage(folder: Path, seconds: int) -> None:
    """Run 400 images at 50 calls per second; after 50 calls the service refuses connections for a while."""
    folder.mkdir()
    manifest, output = write_urls(folder / "urls.txt", images(ROWS)), folder / "out"
    flags = ("--rate", 50, "--run-id", "one")
    with (
        FaultyServer() as server,
        running_by_api(server.base_url, manifest, output, *flags) as process,
    ):
        go_on(server, process, 50)
        with server.away():
            sleep(seconds)
        said = process.stderr.read()
        assert process.wait(DEADLINE_S) == 0, said
    assert "the service cannot be reached; the run waits for it" in said
    assert run_json(output, "one")["counts"]["ok"] == ROWS


@pytest.mark.parametrize("seconds", [1, 3])
def test_a_short_outage_loses_no_row(tmp_path: Path, seconds: int) -> None:
    """Refused connections for seconds hold the run back: every row is answered, and exit is 0."""
    lose_nothing_in_an_outage(tmp_path / "run", seconds)


@pytest.mark.slow
def test_a_long_outage_loses_no_row(tmp_path: Path) -> None:
    """The same holds for half a minute and for one and a half."""
    with ThreadPoolExecutor(2) as threads:
        for run in [threads.submit(lose_nothing_in_an_outage, tmp_path / f"{s}", s) for s in (30, 90)]:
            run.result()


@pytest.mark.slow
def test_a_service_that_is_gone_for_good_ends_the_run(tmp_path: Path) -> None:
    """Two minutes without an answer end the run with exit 3; a run after it asks for what is missing only."""
    manifest, output = write_urls(tmp_path / "urls.txt", images(ROWS)), tmp_path / "out"
    with FaultyServer() as server:
        flags = ("--rate", 50, "--run-id", "one")
        with running_by_api(server.base_url, manifest, output, *flags) as process:
            go_on(server, process, 50)
            with server.away():
                said = process.stderr.read()
                assert process.wait(DEADLINE_S) == 3, said
        counts = run_json(output, "one")["counts"]
        assert counts["dead"].keys() == {"connection_failed"}
        assert counts["ok"] + counts["dead"]["connection_failed"] == ROWS
        again = annotate_by_api(server.base_url, manifest, output, "--rate", 200, "--run-id", "two")
        assert again.returncode == 0, again.stderr
        assert server.counts()["repeated"] <= 50
    assert len(table(output, "images", "two")) == ROWS


def test_a_gateways_page_loses_no_row(tmp_path: Path) -> None:
    """Pages with status 200 in the place of answers hold the run back; every row is answered afterwards."""
    manifest, output = write_urls(tmp_path / "urls.txt", images(30)), tmp_path / "out"
    with FaultyServer() as server:
        answer = server.scripts["/face/analyze"]
        server.scripts = {"/face/analyze": lambda exchange: exchange.answer(PAGE)}
        flags = ("--rate", 50, "--run-id", "one")
        with running_by_api(server.base_url, manifest, output, *flags) as process:
            wait_until(lambda: len(server.seen) >= 10 or process.poll() is not None)
            server.scripts = {"/face/analyze": answer}
            said = process.stderr.read()
            assert process.wait(DEADLINE_S) == 0, said
    assert run_json(output, "one")["counts"]["ok"] == 30


def test_pages_that_do_not_end_are_no_answers(tmp_path: Path) -> None:
    """An image whose answers are cut short is a dead letter after four attempts; the next run asks for it."""
    manifest, output = write_urls(tmp_path / "urls.txt", images(1)), tmp_path / "out"
    with FaultyServer() as server:
        answer = server.scripts["/face/analyze"]
        server.scripts = {"/face/analyze": lambda exchange: exchange.answer(b'{"face_shape_set": [{"nose"')}
        annotate_by_api(server.base_url, manifest, output, "--run-id", "one")
        letters = table(output, "dead_letters", "one")
        assert letters[["error_code", "attempts", "retryable"]].to_numpy().tolist() == [
            ["response_truncated", 4, True]
        ]
        server.scripts = {"/face/analyze": answer}
        annotate_by_api(server.base_url, manifest, output, "--run-id", "two")
    assert run_json(output, "two")["counts"]["ok"] == 1
