"""A run whose own columns are not those of the run before it says so, and is carried out."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.helpers.console import Finished, rehearse, run_json

NIGHT = {"image_url": "https://example.com/1.jpg", "score": 7, "batch": "a"}


def annotate_night(folder: Path, run_id: str, row: Mapping[str, object]) -> Finished:
    """Annotate a manifest of one row as a run of its own."""
    manifest = folder / f"{run_id}.jsonl"
    manifest.write_text(json.dumps(row))
    return rehearse(manifest, folder / "out", "--run-id", run_id)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (NIGHT | {"score": 7.5}, "'score' was int64 and is double. The run goes on; docs/read.md"),
        (NIGHT | {"extra": True}, "'extra' is new (bool)."),
        ({name: NIGHT[name] for name in ("image_url", "score")}, "'batch' is missing (was string)."),
        (NIGHT | {f"c{number}": 1 for number in range(9)}, "'c4' is new (int64); and 4 more."),
        (dict(reversed(NIGHT.items())) | {"score": 8}, None),
    ],
)
def test_changed_columns_are_told_at_the_start(
    tmp_path: Path, row: Mapping[str, object], said: str | None
) -> None:
    """The warning names the last run, the columns and both types; the order of columns does not matter."""
    assert annotate_night(tmp_path, "n2", {"image_url": "https://example.com/0.jpg"}).returncode == 0
    first = annotate_night(tmp_path, "n1", NIGHT)
    assert "own columns differ from those of run n2: 'score' is new (int64); 'batch' is new" in first.stderr
    second = annotate_night(tmp_path, "n3", row)
    assert second.returncode == 0
    warned = "the manifest's own columns differ from those of run n1: "
    assert (warned in second.stderr) == (said is not None), second.stderr
    assert said is None or said in second.stderr
    assert run_json(tmp_path / "out", "n3")["counts"]["rows_read"] == 1


def test_a_table_that_cannot_be_read_stops_no_run(tmp_path: Path) -> None:
    """A new run is committed although the last run's table is damaged, and then although it is gone."""
    assert annotate_night(tmp_path, "n1", NIGHT).returncode == 0
    (images,) = (tmp_path / "out/images/run=n1").iterdir()
    images.write_bytes(b"PAR1")
    assert annotate_night(tmp_path, "n2", NIGHT).returncode == 0
    (images,) = (tmp_path / "out/images/run=n2").iterdir()
    images.unlink()
    assert annotate_night(tmp_path, "n3", NIGHT).returncode == 0
