"""Runs by the web API that are killed, stopped or repeated by the engine: the journal keeps paid answers."""

import signal
from pathlib import Path
from threading import Event

from tests.helpers.api_console import UNPACED, annotate_by_api, images, running_by_api
from tests.helpers.console import journaled, run_json, visible, write_urls
from tests.helpers.paid_service import FaultyServer, by_image_url, from_call
from tests.helpers.paid_service_answers import answers, raw
from tests.helpers.scripted_server import Exchange
from tests.helpers.waiting import DEADLINE_S, wait_for_line, wait_until

WINDOW = 32
FLUSH_AT = 500
"""The journal writes this many results at once, without waiting for its clock."""


class Holding:
    """A service that answers the first `answered` calls, and all others when `let_go` is set."""

    def __init__(self, answered: int) -> None:
        self.let_go = Event()
        self._answered = answered
        self.script = from_call(answered + 1, self._hold, answers())
        self.server = FaultyServer(self.script)

    def is_reached(self) -> bool:
        """Tell whether the service holds all calls that the run may have in flight."""
        return self.server.calls == self._answered + WINDOW

    def _hold(self, exchange: Exchange) -> None:
        self.let_go.wait(DEADLINE_S)
        answers()(exchange)


def test_a_run_that_is_tried_again_goes_on_where_it_died(tmp_path: Path) -> None:
    """The second try of a killed run with --ask-again takes its first try's answers without a new call."""
    answered, mended, output = 20, Event(), tmp_path / "out"
    manifest, service = write_urls(tmp_path / "photos.txt", images(30)), Holding(answered)

    def script(exchange: Exchange) -> None:
        (service.script if mended.is_set() else raw("null"))(exchange)

    flags = (*UNPACED, "--run-id", "two", "--ask-again", "invalid_response", "--budget-calls", 10)
    with FaultyServer(script) as server:
        annotate_by_api(server.base_url, manifest, output, *UNPACED)
        mended.set()
        server.calls_by_url.clear()
        with running_by_api(server.base_url, manifest, output, *flags[:-2]) as process:
            wait_until(lambda: len(journaled(output)) == answered)
            kept = journaled(output)
            process.kill()
            process.wait(DEADLINE_S)
        service.let_go.set()
        again = annotate_by_api(server.base_url, manifest, output, *flags)
        assert {server.calls_by_url[url] for url in kept} == {1}
    assert again.returncode == 0, again.stderr
    calls = run_json(output, "two")["calls"]
    assert (calls["from_journal"], calls["sent"]) == (answered, 10)


def test_a_killed_run_has_paid_for_what_its_journal_holds(tmp_path: Path) -> None:
    """After a kill, the next run repeats only calls that are not in the journal; a third run sends none."""
    answered, output = FLUSH_AT + 100, tmp_path / "out"
    urls = images(answered + 100)
    manifest, service = write_urls(tmp_path / "photos.txt", urls), Holding(answered)
    flags = (*UNPACED, "--window", WINDOW)
    with service.server as server:
        with running_by_api(server.base_url, manifest, output, *flags) as process:
            wait_until(lambda: service.is_reached() and len(journaled(output)) >= FLUSH_AT)
            kept = journaled(output)
            process.kill()
            process.wait(DEADLINE_S)
        assert visible(output) == []
        service.let_go.set()
        second = annotate_by_api(server.base_url, manifest, output, *flags)
        assert second.returncode == 0, second.stderr
        assert {server.calls_by_url[url] for url in kept} == {1}
        assert server.counts()["repeated"] <= WINDOW + answered - len(kept)
        before = server.calls
        third = annotate_by_api(server.base_url, manifest, output, *flags, "--run-id", "three")
        assert (third.returncode, server.calls) == (0, before)
    assert run_json(output, "three")["counts"]["ok"] == len(urls)


def test_a_stopped_run_loses_no_answer(tmp_path: Path) -> None:
    """A run after SIGTERM stores the answers in flight and exits with 143; the next run repeats no call."""
    urls, output = images(200), tmp_path / "out"
    manifest, service = write_urls(tmp_path / "photos.txt", urls), Holding(50)
    flags = (*UNPACED, "--window", WINDOW)
    with service.server as server:
        with running_by_api(server.base_url, manifest, output, *flags) as process:
            wait_until(service.is_reached)
            process.send_signal(signal.SIGTERM)
            wait_for_line(process.stderr, "stopping: the images in progress are finished first")
            service.let_go.set()
            said = process.stderr.read()
            assert process.wait(DEADLINE_S) == 143
        assert "Traceback" not in said
        assert visible(output) == []
        assert server.calls == 50 + WINDOW
        again = annotate_by_api(server.base_url, manifest, output, *flags, "--run-id", "two")
        assert again.returncode == 0, again.stderr
        assert (server.calls, server.counts()["repeated"]) == (len(urls), 0)
    assert run_json(output, "two")["calls"]["from_journal"] == 50 + WINDOW


def test_a_run_that_is_stopped_at_once_keeps_what_came(tmp_path: Path) -> None:
    """A second Ctrl-C ends a run with 130 while calls are held; the journal has every answer that came."""
    output, service = tmp_path / "out", Holding(20)
    manifest = write_urls(tmp_path / "photos.txt", images(200))
    with service.server as server:
        with running_by_api(server.base_url, manifest, output, *UNPACED, "--window", WINDOW) as process:
            wait_until(service.is_reached)
            for _ in range(2):
                process.send_signal(signal.SIGINT)
                wait_for_line(process.stderr, "stopping: ")
            assert process.wait(DEADLINE_S) == 130
            assert "stopped at once: nothing of run" in process.stderr.read()
        service.let_go.set()
    assert len(journaled(output)) == 20
    assert visible(output) == []


def test_runs_at_the_same_time_are_told_of_each_other(tmp_path: Path) -> None:
    """A run whose journal another run uses prints a warning and commits; a run alone prints no warning."""
    manifest, service = write_urls(tmp_path / "photos.txt", images(1)), Holding(0)
    other, output = write_urls(tmp_path / "others.txt", images(3, first=10)), tmp_path / "out"
    warned = f"another run is using the journal {output}/responses"
    with service.server as server:
        with running_by_api(server.base_url, manifest, output, *UNPACED) as process:
            wait_until(lambda: server.calls == 1)
            service.let_go.set()
            process.send_signal(signal.SIGSTOP)
            second = annotate_by_api(server.base_url, other, output, *UNPACED, "--run-id", "second")
            process.send_signal(signal.SIGCONT)
            assert process.wait(DEADLINE_S) == 0
            assert warned not in process.stderr.read()
        assert (second.returncode, warned in second.stderr) == (0, True)
        third = annotate_by_api(server.base_url, other, output, *UNPACED, "--run-id", "third")
        assert (third.returncode, warned in third.stderr) == (0, False)


def test_a_bundle_that_is_done_twice_is_paid_for_once(tmp_path: Path) -> None:
    """If the engine repeats every bundle, each image still costs one call, answered or rejected."""
    rejected = [f"https://images.example.com/fault-{name}/a.jpg" for name in ("null_body", "bad_request")]
    urls = [*images(30), *rejected]
    manifest = write_urls(tmp_path / "photos.txt", urls)
    with FaultyServer(by_image_url(answers())) as server:
        flags = ("--direct_runner_bundle_repeat=1", "--run-id", "one", *UNPACED)
        finished = annotate_by_api(server.base_url, manifest, tmp_path / "out", *flags)
        assert finished.returncode == 0, finished.stderr
        assert server.calls_by_url == dict.fromkeys(urls, 1)
        assert server.calls == len(urls)
    record = run_json(tmp_path / "out", "one")
    assert record["counts"]["ok"] == 30
    assert (record["calls"]["sent"], record["calls"]["from_journal"]) == (len(urls), 0)
