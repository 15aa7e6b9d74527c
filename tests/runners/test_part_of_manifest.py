"""`--limit` and `--sample`: runs that take a part of their manifest."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import pytest

from tests.helpers.console import annotate, ends, facebeam, rehearse, run_json, write_urls

URLS = [f"https://example.com/{number}.jpg" for number in range(100)]


@pytest.fixture
def manifests(tmp_path: Path) -> list[Path]:
    """Write three manifests of different formats, with a bad row as the second of the first."""
    text = write_urls(tmp_path / "a.txt", [URLS[0], "no URL", *URLS[1:9]])
    parquet, csv = tmp_path / "b.parquet", tmp_path / "c.csv.gz"
    pd.DataFrame({"image_url": URLS[9:60], "score": 1}).to_parquet(parquet, row_group_size=7)
    pd.DataFrame({"image_url": URLS[60:], "name": "x"}).to_csv(csv, index=False)
    return [text, parquet, csv]


def taken(manifests: list[Path], output: Path, *flags: object) -> Mapping[str, str]:
    """Run the fake source over the manifests; give the outcome of each row."""
    others = [str(path) for path in manifests[1:]]
    finished = rehearse(manifests[0], output, "--manifest", *others, "--run-id", "one", *flags)
    assert finished.returncode == 0, finished.stderr
    return ends(output)


@pytest.mark.parametrize("limit", [1, 2, 10, 11, 37, 101])
def test_a_limit_takes_the_first_rows(tmp_path: Path, manifests: list[Path], limit: int) -> None:
    """The first rows of all files together are taken, bad ones too."""
    rows = [URLS[0], "no URL", *URLS[1:]][:limit]
    assert set(taken(manifests, tmp_path / "out", "--limit", limit)) == set(rows)
    assert run_json(tmp_path / "out", "one")["counts"]["rows_read"] == len(rows)


def test_a_sample_is_the_same_each_time(tmp_path: Path, manifests: list[Path]) -> None:
    """Two runs take the same thirty rows, which are neither the first nor the last ones."""
    first, second = (taken(manifests, tmp_path / name, "--sample", 30) for name in ("out1", "out2"))
    assert len(first) == 30
    assert first == second
    positions = [URLS.index(url) for url in first if url != "no URL"]
    assert min(positions) < 20
    assert max(positions) > 80


def test_a_sample_of_more_rows_than_there_are_takes_all(tmp_path: Path, manifests: list[Path]) -> None:
    """A sample larger than the manifest is the manifest."""
    assert len(taken(manifests, tmp_path / "out", "--sample", 1000)) == 101


def test_a_plan_counts_the_part(tmp_path: Path, manifests: list[Path]) -> None:
    """`facebeam plan` tells what the run with the same flags would send."""
    flags = ("--output", tmp_path / "out", "--limit", 3, "--log-format", "json")
    assert '"rows": 3, "invalid_rows": 1' in facebeam("plan", "--manifest", manifests[0], *flags).stderr


def test_another_limit_is_another_run(tmp_path: Path, manifests: list[Path]) -> None:
    """The id of a committed run may be used again for the same rows, and not for more."""
    taken(manifests, tmp_path / "out", "--limit", 3)
    taken(manifests, tmp_path / "out", "--limit", 3)
    again = ("--manifest", *manifests[1:], "--source", "fake", "--run-id", "one", "--limit", 4)
    finished = annotate(manifests[0], tmp_path / "out", *again)
    assert finished.returncode == 2
    assert "its --limit was 3, and is 4 here" in finished.stderr
