"""A run of the local model ends in order at --max-duration, and the next one continues."""

from pathlib import Path
from shutil import copy

import pytest

from tests.helpers.console import annotate, ends, facebeam, rehearse, write_urls

IMAGES = 60
"""They take the local model some seconds on any machine."""


def test_a_run_stops_in_time_and_the_next_one_continues(tmp_path: Path, photos: Path) -> None:
    """Images that are not begun in time become dead letters; the next run begins only these."""
    manifest = write_urls(
        tmp_path / "urls.txt", (copy(photos / "astronaut.png", tmp_path / f"{i}.png") for i in range(IMAGES))
    )
    flags = ("--allow-local-files", "--workers", 1, "--run-id")
    first = annotate(manifest, tmp_path / "out", *flags, "one", "--max-duration", "1s")
    assert first.returncode == 3, first.stderr
    left = [*ends(tmp_path / "out").values()].count("window_closed")
    assert f"run one is committed, but stopped early: {left} images were not asked for" in first.stderr
    assert 0 < left == IMAGES - [*ends(tmp_path / "out").values()].count("1 faces")
    second = annotate(manifest, tmp_path / "out", *flags, "two")
    assert second.returncode == 0, second.stderr
    listed = facebeam("runs", "--output", tmp_path / "out").stdout.splitlines()
    assert [int(line.split()[-2]) for line in listed[1:]] == [IMAGES - left, left]


@pytest.mark.parametrize("flag", [("--stop-at", "06:00"), ("--max-duration", "1s")])
def test_made_up_faces_know_no_limit_of_time(tmp_path: Path, flag: tuple[str, str]) -> None:
    """With the fake source the flags end the command with 2, because they would be ignored."""
    finished = rehearse(write_urls(tmp_path / "urls.txt", ["https://a.com/1.jpg"]), tmp_path / "out", *flag)
    assert finished.returncode == 2
    assert f"{flag[0]} works only with --source local or api" in finished.stderr
