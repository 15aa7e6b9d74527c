"""A run whose own columns are not those of the run before it says so, and is carried out."""

import json
from collections.abc import Mapping
from pathlib import Path

from tests.helpers.console import Finished, rehearse, table

NIGHT: dict[str, object] = {"image_url": "https://example.com/1.jpg", "score": 7, "batch": "a"}


def annotate_night(folder: Path, run_id: str, row: Mapping[str, object]) -> Finished:
    """Annotate a manifest of one row as a run of its own."""
    manifest = folder / f"{run_id}.jsonl"
    manifest.write_text(json.dumps(row))
    finished = rehearse(manifest, folder / "out", "--run-id", run_id)
    assert finished.returncode == 0, finished.stderr
    return finished


def test_changed_columns_are_told_at_the_start(tmp_path: Path) -> None:
    """The warning names the last committed run, the columns and both types; their order does not matter."""
    differ = "the manifest's own columns differ from those of run"
    nights: list[tuple[str, Mapping[str, object], str | None]] = [
        ("n9", NIGHT, None),
        ("n2", dict(reversed(NIGHT.items())) | {"score": 8}, None),
        (
            "n3",
            NIGHT | {"score": 7.5},
            f"{differ} n2: 'score' was int64 and is double. The run continues; docs/r",
        ),
        ("n4", NIGHT | {"new": True}, f"{differ} n3: 'score' was double and is int64; 'new' is new (bool). "),
        ("n5", NIGHT, f"{differ} n4: 'new' is missing (was bool). "),
        ("n6", NIGHT | {f"c{number}": 1 for number in range(9)}, "'c4' is new (int64); and 4 more. The run"),
    ]
    for run_id, row, said in nights:
        told = annotate_night(tmp_path, run_id, row).stderr
        assert (differ in told, (said or "") in told) == (said is not None, True), told


def test_a_run_from_the_future_is_told(tmp_path: Path) -> None:
    """A run whose clock was ahead stays the newest one for a while, and the next run says so."""
    annotate_night(tmp_path, "n1", NIGHT)
    assert "in the future" not in annotate_night(tmp_path, "n2", NIGHT).stderr
    path = tmp_path / "out/_runs/n2/run.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps(record | {"committed_at": "2999-01-02T03:04:05+00:00"}))
    said = "run n2 was committed at 2999-01-02 03:04 UTC, which is in the future: check the clock"
    assert said in annotate_night(tmp_path, "n3", NIGHT).stderr


def test_a_table_that_cannot_be_read_stops_no_run(tmp_path: Path) -> None:
    """A new run is committed although the last run's table is damaged, and then although it is gone."""
    annotate_night(tmp_path, "n1", NIGHT)
    (images,) = (tmp_path / "out/images/run=n1").iterdir()
    images.write_bytes(b"PAR1")
    annotate_night(tmp_path, "n2", NIGHT)
    (images,) = (tmp_path / "out/images/run=n2").iterdir()
    images.unlink()
    annotate_night(tmp_path, "n3", NIGHT)


def test_an_own_column_takes_the_place_of_one_of_ours(tmp_path: Path) -> None:
    """A manifest with a `score` of its own runs as before facebeam had one: its values are in the tables."""
    manifest = tmp_path / "one.csv"
    manifest.write_text("image_url,score,Yaw_deg\nhttps://example.com/b0.jpg,7,left\n")
    finished = rehearse(manifest, tmp_path / "out", "--run-id", "one")
    assert finished.returncode == 0, finished.stderr
    assert "the manifest's own 'score' and 'Yaw_deg' in place of" in finished.stderr
    faces = table(tmp_path / "out", "faces")
    assert ([*faces["score"]], [*faces["Yaw_deg"]]) == (["7"], ["left"])
    assert {"pitch_deg", "yaw_deg"}.intersection(faces.columns) == {"pitch_deg"}
