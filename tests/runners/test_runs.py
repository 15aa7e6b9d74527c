"""`facebeam runs` and `status` through the command line: what an output has, whatever became of its runs."""

import json
from pathlib import Path

import pytest

from facebeam.runners.output_folder import run_lock
from facebeam.schemas.layout import Layout
from tests.helpers.console import facebeam, rehearse, write_urls

URLS = ["https://example.com/b0.jpg", "https://example.com/d0.jpg", "https://example.com/fail-timeout/1.jpg"]


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run three images; then leave the files of a run that was cut off."""
    folder = tmp_path_factory.mktemp("runs")
    rehearsed = rehearse(write_urls(folder / "urls.txt", URLS), folder / "out", "--run-id", "one")
    assert rehearsed.returncode == 0, rehearsed.stderr
    with run_lock(Layout(str(folder / "out"), "cut-off")):
        pass
    return folder / "out"


def test_a_line_tells_a_run(output: Path) -> None:
    """Each run is one line: counts where it is committed, its state in any case; the last one comes last."""
    finished = facebeam("runs", "--output", output)
    assert finished.returncode == 0, finished.stderr
    titles, one, cut_off = (line.split() for line in finished.stdout.splitlines())
    assert " ".join(titles) == "run started (UTC) state source rows ok no_face dead calls credits"
    assert [one[0], *one[3:]] == ["one", "committed", "fake", "3", "1", "1", "1", "6", "-"]
    assert [cut_off[0], *cut_off[3:]] == ["cut-off", "unfinished", *"-------"]


def test_machines_get_an_object_per_run(output: Path) -> None:
    """`--log-format json` gives the same facts, one object per line."""
    told = facebeam("runs", "--output", output, "--log-format", "json").stderr.splitlines()
    one, cut_off = map(json.loads, told)
    counts = ("rows", "ok", "no_face", "dead_letters", "faces", "calls", "credits")
    assert [one[name] for name in counts] == [3, 1, 1, 1, 1, 6, None]
    assert (one["event"], one["run_id"], one["state"], one["source"]) == ("run", "one", "committed", "fake")
    assert (cut_off["run_id"], cut_off["state"]) == ("cut-off", "unfinished")


def test_a_run_at_work_is_told_by_its_lock(output: Path) -> None:
    """A run is `running` while its process holds the lock, and `unfinished` afterwards."""
    of_run = ("status", "--output", output, "--run", "latest")
    with run_lock(Layout(str(output), "cut-off")):
        running = facebeam(*of_run)
        assert "cut-off  " in facebeam("runs", "--output", output).stdout
    assert (running.stdout, running.returncode) == ("running\n", 0)
    over = facebeam(*of_run)
    assert (over.stdout, over.returncode) == ("unfinished\n", 1)
    committed = facebeam("status", "--output", output, "--run", "one")
    assert (committed.stdout, committed.returncode) == ("committed\n", 0)


def test_a_damaged_record_hides_no_other_run(output: Path) -> None:
    """A run whose record cannot be read is listed without counts, and the record is named."""
    record = output / "_runs" / "one" / "run.json"
    before = record.read_text()
    record.write_text("{}")
    finished = facebeam("runs", "--output", output)
    record.write_text(before)
    assert finished.returncode == 0
    assert [line.split()[0] for line in finished.stdout.splitlines()] == ["run", "one", "cut-off"]
    assert str(record) in finished.stderr


@pytest.mark.parametrize("command", [("runs",), ("status", "--run", "latest"), ("cancel", "--run", "latest")])
def test_an_output_without_runs_is_told(tmp_path: Path, command: tuple[str, ...]) -> None:
    """An output without any run exits with 2: most likely its name is misspelt."""
    finished = facebeam(*command, "--output", tmp_path / "outt")
    assert (finished.returncode, finished.stdout) == (2, "")
    assert "outt has no run: correct --output" in finished.stderr


def test_a_run_that_is_not_there_is_told(output: Path) -> None:
    """`status` of an unknown run exits with 2."""
    finished = facebeam("status", "--output", output, "--run", "two")
    assert finished.returncode == 2
    assert "has no run two: 'facebeam runs' lists its runs" in finished.stderr
