"""Runs that are stopped, killed or doubled: nothing half visible, and the next run mends what is left."""

import gzip
import itertools
import os
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from io import BytesIO
from pathlib import Path
from subprocess import PIPE
from threading import Event, Semaphore

import pytest
from PIL import Image

from tests.helpers.console import (
    FACEBEAM,
    annotate,
    journaled,
    rehearse,
    run_json,
    staged,
    table,
    visible,
    write_urls,
)
from tests.helpers.processes import running
from tests.helpers.scripted_server import Exchange, ScriptedServer
from tests.helpers.waiting import DEADLINE_S, wait_for_line, wait_until
from tests.helpers.warm_process import Command, WarmProcess, run_warm, running_warm
from transforms import publish
from transforms.image_fetch.fetch_image import ImageFetcher
from transforms.local_source import LocalSource
from transforms.output_files import move

IMAGES = 40
UNDER_WAY = LocalSource(ImageFetcher(), workers=2).largest_window
"""Images that two workers have under way: far fewer than the run has."""


class SlowHost:
    """A host of grey images: so many at once, every other when it is told to let go."""

    def __init__(self, at_once: int = 1) -> None:
        self.let_go = Event()
        self._at_once = Semaphore(at_once)
        self.server = ScriptedServer({f"/{number}.png": self._answer for number in range(IMAGES)})
        grey = BytesIO()
        Image.new("RGB", (64, 64), "grey").save(grey, "PNG")
        self._image = grey.getvalue()

    def _answer(self, exchange: Exchange) -> None:
        if not self._at_once.acquire(blocking=False):
            self.let_go.wait(DEADLINE_S)
        exchange.answer(self._image)

    def manifest(self, folder: Path) -> Path:
        """Write a manifest of all the images."""
        return write_urls(
            folder / "photos.txt", [self.server.url(f"/{number}.png") for number in range(IMAGES)]
        )

    def is_asked(self) -> bool:
        """Tell whether as many images are under way as ever are at a time."""
        return len(self.server.seen) >= UNDER_WAY


@pytest.fixture
def host() -> Iterator[SlowHost]:
    """Serve; nothing is held when the test ends."""
    slow = SlowHost()
    with slow.server:
        yield slow
        slow.let_go.set()


@contextmanager
def held_run(host: SlowHost, folder: Path, run_id: str = "one") -> Iterator[WarmProcess]:
    """Start a run in a session of its own, and go on when it can do no more."""
    manifest = ("--manifest", str(host.manifest(folder)), "--run-id", run_id)
    flags = ("--output", str(folder / "out"), "--allow-private-urls", "--workers", "2")
    with running_warm(Command(["annotate", *manifest, *flags], dict(os.environ))) as process:
        wait_until(lambda: host.is_asked() or process.poll() is not None)
        yield process


def assert_nothing_is_left(process: WarmProcess, output: Path) -> None:
    """See that no process of the run's session lives, and that nothing is visible or staged."""
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
    assert visible(output) == []
    assert staged(output) == []


@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_one_signal_ends_a_run_in_order(
    host: SlowHost, tmp_path: Path, number: signal.Signals, exit_code: int
) -> None:
    """Expect images under way to end, then 130 or 143 and nothing left; the same run id then commits."""
    with held_run(host, tmp_path) as process:
        process.send_signal(number)
        wait_for_line(process.stderr, "stopping: the images under way are finished first")
        host.let_go.set()
        said = process.stderr.read()
        assert process.wait(DEADLINE_S) == exit_code
        assert "stopped: nothing of run one is visible" in said
        assert "Traceback" not in said
        assert_nothing_is_left(process, tmp_path / "out")
    again = annotate(host.manifest(tmp_path), tmp_path / "out", "--allow-private-urls", "--run-id", "one")
    assert again.returncode == 0, again.stderr
    assert run_json(tmp_path / "out", "one")["counts"]["no_face"] == IMAGES


def test_an_early_signal_ends_a_run_in_order(tmp_path: Path) -> None:
    """Expect exit 130 without a stack trace for Ctrl-C while the manifest is read, before the run begins."""
    manifest = tmp_path / "long.jsonl.gz"
    member = gzip.compress(b'{"image_url": "https://example.com/a.jpg"}\n' * 100_000)
    manifest.write_bytes(member * 1000)  # minutes to read: however late the signal comes, it is not too late
    command = [FACEBEAM, "annotate", "--manifest", manifest, "--output", tmp_path / "out"]
    with running([*command, "--source", "fake"], stderr=PIPE) as process:
        files = Path(f"/proc/{process.pid}/fd")
        wait_until(lambda: any(manifest.samefile(file) for file in files.iterdir() if file.exists()))
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=DEADLINE_S)[1]
    assert process.returncode == 130
    assert "stopped" in said
    assert "Traceback" not in said
    assert visible(tmp_path / "out") == []


def test_a_second_signal_ends_a_run_at_once(host: SlowHost, tmp_path: Path) -> None:
    """Expect exit 130 and nothing left, though the host never answers."""
    with held_run(host, tmp_path) as process:
        process.send_signal(signal.SIGINT)
        wait_for_line(process.stderr, "once more stops at once")
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE_S) == 130
        assert_nothing_is_left(process, tmp_path / "out")


def test_a_killed_run_is_swept_by_the_next(host: SlowHost, tmp_path: Path) -> None:
    """Expect a run without time to clean up to leave staged files only, and the next one to remove them."""
    output = tmp_path / "out"
    with held_run(host, tmp_path) as process:
        wait_until(lambda: staged(output) != [])
        process.kill()
        process.wait(DEADLINE_S)
    assert visible(output) == []
    assert staged(output) != []
    following = rehearse(host.manifest(tmp_path), output, "--run-id", "two")
    assert following.returncode == 0, following.stderr
    assert staged(output) == []
    assert set(table(output, "images")["run"]) == {"two"}


def test_a_killed_run_goes_on_from_its_journal(tmp_path: Path) -> None:
    """Expect no image to be fetched again whose answer was kept, though none of it was paid for."""
    host, output = SlowHost(at_once=12), tmp_path / "out"
    with host.server:
        with held_run(host, tmp_path) as process:
            wait_until(lambda: len(journaled(output)) == 12)
            kept = journaled(output)
            process.kill()
            process.wait(DEADLINE_S)
        host.let_go.set()
        flags = ("--allow-private-urls", "--run-id", "two")
        again = annotate(host.manifest(tmp_path), output, *flags)
        fetched = Counter(host.server.url(exchange.target) for exchange in host.server.seen)
    assert again.returncode == 0, again.stderr
    assert {fetched[url] for url in kept} == {1}
    assert (len(fetched), run_json(output, "two")["calls"]["from_journal"]) == (IMAGES, 12)


def test_runs_side_by_side_do_not_harm_each_other(host: SlowHost, tmp_path: Path) -> None:
    """Expect another run to commit, the same id to be refused with exit 2, and the first to be whole."""
    output, manifest = tmp_path / "out", host.manifest(tmp_path)
    with held_run(host, tmp_path) as process:
        wait_until(lambda: staged(output) != [])
        other = rehearse(manifest, output, "--run-id", "two")
        assert other.returncode == 0, other.stderr
        same = rehearse(manifest, output, "--run-id", "one")
        assert same.returncode == 2
        assert "run one is under way in another process; wait for it or give another --run-id" in same.stderr
        assert staged(output) != []
        host.let_go.set()
        assert process.wait(DEADLINE_S) == 0
    assert table(output, "images", "one")["image_url"].nunique() == IMAGES
    assert table(output, "images", "two")["image_url"].nunique() == IMAGES
    assert staged(output) == []


def die_after_moves(count: int) -> None:
    """Let the run die after so many files are published, as by a power cut at a known place."""
    moves = itertools.count(1)

    def cut_off(source: str, target: str) -> None:
        if next(moves) > count:
            os._exit(137)
        move(source, target)

    publish.move = cut_off  # type: ignore[attr-defined]  # the name under which it was imported


@pytest.mark.parametrize(
    "moves", [pytest.param(0, marks=pytest.mark.slow), 1, pytest.param(2, marks=pytest.mark.slow)]
)
def test_a_run_that_died_while_it_was_published_is_finished_by_the_next(tmp_path: Path, moves: int) -> None:
    """Expect the whole run, with its record, once any other run has begun; its rows are not read again."""
    output = tmp_path / "out"
    urls = [f"https://example.com/{number}.jpg" for number in range(20)]
    manifest = write_urls(tmp_path / "photos.txt", urls)
    flags = ["--manifest", str(manifest), "--output", str(output), "--run-id", "one"]
    command = ["annotate", "--source", "fake", *flags]
    died = run_warm(
        Command(command, dict(os.environ), prepare=partial(die_after_moves, moves)), within_s=DEADLINE_S
    )
    assert died.returncode == 137
    assert (len([name for name in visible(output) if "_runs" not in name]), len(staged(output)) > 0) == (
        moves,
        True,
    )
    manifest.write_text("https://example.com/other.jpg\n")
    following = rehearse(manifest, output, "--run-id", "two")
    assert following.returncode == 0, following.stderr
    assert run_json(output, "one")["counts"]["rows_read"] == 20
    assert len(table(output, "images", "one")) == 20
    assert len(table(output, "images", "two")) == 1
    assert staged(output) == []
