"""Runs that are stopped, killed or started twice: no half run is visible, and the next run cleans up."""

import errno
import fcntl
import gzip
import itertools
import os
import signal
import socket
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from io import BytesIO
from pathlib import Path
from subprocess import PIPE, CompletedProcess
from threading import Event, Semaphore

import pytest
from PIL import Image

from facebeam.runners.ctrl_c import ended_by_signal
from facebeam.transforms.files.any_store import move
from facebeam.transforms.images.host_turns import HostLimits
from facebeam.transforms.steps import publish
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

IMAGES = 40
UNDER_WAY = HostLimits().connections
"""The largest number of images that a run has in flight at one host; the run has far more."""


class SlowHost:
    """A host of grey images: it answers the first `at_once` requests, and all others when `let_go` is set."""

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
        """Tell whether the run has asked for as many images as it may have in flight."""
        return len(self.server.seen) >= UNDER_WAY


@pytest.fixture
def host() -> Iterator[SlowHost]:
    """Serve grey images; answer all held requests when the test ends."""
    slow = SlowHost()
    with slow.server:
        yield slow
        slow.let_go.set()


@contextmanager
def held_run(
    host: SlowHost, folder: Path, run_id: str = "one", prepare: Callable[[], None] | None = None
) -> Iterator[WarmProcess]:
    """Start a run in a session of its own; continue when all its requests in flight are held."""
    manifest = ("--manifest", str(host.manifest(folder)), "--run-id", run_id)
    flags = ("--output", str(folder / "out"), "--allow-private-urls", "--workers", "2")
    with running_warm(Command(["annotate", *manifest, *flags], dict(os.environ), prepare=prepare)) as process:
        wait_until(lambda: host.is_asked() or process.poll() is not None)
        yield process


def assert_nothing_is_left(process: WarmProcess, output: Path) -> None:
    """Check that no process of the run's session is alive, and that no file is visible or staged."""
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
    assert visible(output) == []
    assert staged(output) == []


@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_one_signal_ends_a_run_in_order(
    host: SlowHost, tmp_path: Path, number: signal.Signals, exit_code: int
) -> None:
    """After one signal a run finishes its images in flight, exits with 130 or 143 and leaves nothing.

    A later run with the same id commits.
    """
    with held_run(host, tmp_path) as process:
        process.send_signal(number)
        wait_for_line(process.stderr, "stopping: the images in progress are finished first")
        host.let_go.set()
        said = process.stderr.read()
        assert process.wait(DEADLINE_S) == exit_code
        assert "stopped: nothing of run one is visible" in said
        assert "Traceback" not in said
        assert_nothing_is_left(process, tmp_path / "out")
    again = annotate(host.manifest(tmp_path), tmp_path / "out", "--allow-private-urls", "--run-id", "one")
    assert again.returncode == 0, again.stderr
    assert run_json(tmp_path / "out", "one")["counts"]["no_face"] == IMAGES


def has_open(pid: int, path: Path) -> bool:
    """Tell whether a process has a file open; others of its files may be closed meanwhile."""
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            if link.readlink() == path:
                return True
    return False


def test_an_early_signal_ends_a_run_in_order(tmp_path: Path) -> None:
    """Ctrl-C while the manifest is still being read ends the command with 130 and without a stack trace."""
    manifest = tmp_path / "long.jsonl.gz"
    member = gzip.compress(b'{"image_url": "https://example.com/a.jpg"}\n' * 100_000)
    manifest.write_bytes(member * 1000)  # takes minutes to read, so that even a late signal is in time
    command = [FACEBEAM, "annotate", "--manifest", manifest, "--output", tmp_path / "out"]
    with running([*command, "--source", "fake"], stderr=PIPE) as process:
        wait_until(lambda: has_open(process.pid, manifest))
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=DEADLINE_S)[1]
    assert process.returncode == 130
    assert "stopped" in said
    assert "Traceback" not in said
    assert visible(tmp_path / "out") == []


def test_ctrl_c_is_told_as_such_whatever_a_library_makes_of_it() -> None:
    """A library that answers the exception of Ctrl-C with an error of its own does not hide Ctrl-C."""

    def a_library() -> None:
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt as error:
            raise SystemError("returned a result with an exception set") from error

    with pytest.raises(KeyboardInterrupt), ended_by_signal():
        a_library()
    signal.setitimer(signal.ITIMER_REAL, 0)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_export_leaves_no_folder(
    host: SlowHost, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    """An export that waits for a host ends at a signal with its exit code, and its folder is deleted."""
    rehearse(host.manifest(tmp_path), tmp_path / "out")
    to = ("--format", "webdataset", "--to", str(tmp_path / "to"), "--allow-private-urls")
    command = [str(FACEBEAM), "export", "--output", str(tmp_path / "out"), *to]
    with running(command, stderr=PIPE) as process:
        wait_until(lambda: len(host.server.seen) > 1)
        process.send_signal(number)
        wait_until(lambda: [path.name for path in tmp_path.glob("to*")] == [])
        host.let_go.set()
        assert process.wait(DEADLINE_S) == code
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()


def test_without_ctrl_c_an_error_stays_what_it_is() -> None:
    """An error in the block is raised as it is."""
    with pytest.raises(SystemError), ended_by_signal():
        raise SystemError("returned a result with an exception set")


def test_a_second_signal_ends_a_run_at_once(host: SlowHost, tmp_path: Path) -> None:
    """A second signal ends the run at once with 130 and leaves nothing, even if the host never answers."""
    with held_run(host, tmp_path) as process:
        process.send_signal(signal.SIGINT)
        wait_for_line(process.stderr, "a second signal stops at once")
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE_S) == 130
        assert_nothing_is_left(process, tmp_path / "out")


def test_a_killed_run_is_swept_by_the_next(host: SlowHost, tmp_path: Path) -> None:
    """A killed run leaves only staged files, and the next run removes them."""
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
    """After a kill, the next run fetches no image that the journal has, although its answers cost nothing."""
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
    """A second run with the id of a running one is refused with exit 2; one with another id commits.

    The first run then commits as well.
    """
    output, manifest = tmp_path / "out", host.manifest(tmp_path)
    with held_run(host, tmp_path) as process:
        wait_until(lambda: staged(output) != [])
        other = rehearse(manifest, output, "--run-id", "two")
        assert other.returncode == 0, other.stderr
        same = rehearse(manifest, output, "--run-id", "one")
        assert same.returncode == 2
        assert (
            "run one is already running in another process; wait for it or give another --run-id"
            in same.stderr
        )
        assert staged(output) != []
        host.let_go.set()
        assert process.wait(DEADLINE_S) == 0
    assert table(output, "images", "one")["image_url"].nunique() == IMAGES
    assert table(output, "images", "two")["image_url"].nunique() == IMAGES
    assert staged(output) == []


def without_locks() -> None:
    """Have no locks, as on NFS without its lock daemon."""

    def flock(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    fcntl.flock = flock


def test_a_file_system_without_locks_has_leases(host: SlowHost, tmp_path: Path) -> None:
    """Without `flock` a run goes by a lease: a second one of its id is refused, another id is not."""
    output, manifest = tmp_path / "out", host.manifest(tmp_path)
    with held_run(host, tmp_path, prepare=without_locks) as process:

        def rehearsed(run_id: str) -> CompletedProcess[str]:
            where = ["--manifest", str(manifest), "--output", str(output), "--run-id", run_id]
            command = ["annotate", "--source", "fake", *where]
            return run_warm(Command(command, dict(os.environ), prepare=without_locks), DEADLINE_S)

        same = rehearsed("one")
        assert same.returncode == 2
        assert f"run one is already running in process {process.pid} on {socket.gethostname()}" in same.stderr
        other = rehearsed("two")
        assert other.returncode == 0, other.stderr
        host.let_go.set()
        assert process.wait(DEADLINE_S) == 0, process.stderr.read()
    assert table(output, "images", "one")["image_url"].nunique() == IMAGES
    assert not list(output.rglob("lease.json"))


def die_after_moves(count: int) -> None:
    """Make the process of a run die after `count` published tables, like a power cut at a known place."""
    moves = itertools.count(1)

    def cut_off(targets: Mapping[str, str]) -> None:
        if next(moves) > count:
            os._exit(137)
        move(targets)

    publish.move = cut_off  # type: ignore[attr-defined]  # the name under which it was imported


@pytest.mark.parametrize(
    "moves", [pytest.param(0, marks=pytest.mark.slow), 1, pytest.param(2, marks=pytest.mark.slow)]
)
def test_a_run_that_died_while_it_was_published_is_finished_by_the_next(tmp_path: Path, moves: int) -> None:
    """The next run completes a run that died while it was published, and also writes its record.

    It does not read the rows of that run again.
    """
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
