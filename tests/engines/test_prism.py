"""A run on Prism, Beam's own engine in Go, is the same as a local run."""

from pathlib import Path

import pandas as pd
import pytest

from tests.helpers.console import ROOT, TABLES, rehearse, table, write_urls

pytestmark = pytest.mark.slow

PRISM = ROOT / ".boot/prism"
CLOCK = ["latency_ms", "answered_at", "first_attempt_at", "last_attempt_at"]


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Write a manifest with made-up images, duplicates, a failing image and a bad row."""
    urls = [f"https://example.com/{number % 60}.jpg" for number in range(150)]
    return write_urls(tmp_path / "urls.txt", [*urls, "https://example.com/fail-not_found/a.jpg", "no url"])


@pytest.mark.skipif(not PRISM.exists(), reason="no Prism: 'make .boot/ready' builds it where there is Go")
def test_prism_gives_the_same_tables(manifest: Path, tmp_path: Path) -> None:
    """A run on Prism gives the rows of a local run, cell by cell."""
    for output, flags in (("here", ()), ("prism", ("--runner", "prism", "--prism-location", PRISM))):
        finished = rehearse(manifest, tmp_path / output, "--run-id", "one", *flags)
        assert finished.returncode == 0, finished.stderr
    for name in TABLES:
        here, prism = (table(tmp_path / output, name) for output in ("here", "prism"))
        pd.testing.assert_frame_equal(
            here.drop(columns=CLOCK, errors="ignore"), prism.drop(columns=CLOCK, errors="ignore")
        )


def test_prism_is_never_downloaded(manifest: Path, tmp_path: Path) -> None:
    """A run on Prism exits with 2 if --prism-location is missing or does not name a program."""
    finished = rehearse(manifest, tmp_path / "out", "--runner", "prism")
    assert finished.returncode == 2
    assert "--runner prism needs --prism-location" in finished.stderr
    finished = rehearse(manifest, tmp_path / "out", "--runner", "prism", "--prism-location", manifest)
    assert finished.returncode == 2
    assert f"--prism-location {manifest} is not a program" in finished.stderr
