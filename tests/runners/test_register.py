"""`facebeam register --delta`: readers of Delta see the rows of the committed runs, each run once."""

import json
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.fs
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake

from facebeam.schemas.read_tables import every_run
from tests.helpers.console import ROOT, TABLES, Finished, facebeam, rehearse, table

READERS = ROOT / ".readers"
"""The environment with polars."""


def night(output: Path, run_id: str, **own: object) -> None:
    """Commit a run of three images: one with a face, one without, and one that fails."""
    names = ("b0", "d0", "fail-timeout/c")
    rows = [{"image_url": f"https://example.com/{name}.jpg", **own} for name in names]
    manifest = output.parent / f"{run_id}.jsonl"
    manifest.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    commit(output, manifest, run_id)


def commit(output: Path, manifest: Path, run_id: str) -> None:
    """Run a manifest with the fake source."""
    finished = rehearse(manifest, output, "--run-id", run_id)
    assert finished.returncode == 0, finished.stderr


def delete(output: Path, run_id: str) -> None:
    """Delete the folders of a run."""
    for folder in (f"_runs/{run_id}", *(f"{name}/run={run_id}" for name in TABLES)):
        shutil.rmtree(output / folder)


def register(output: Path, *flags: str) -> Finished:
    """Run `facebeam register --delta` to its end."""
    return facebeam("register", "--delta", "--output", output, *flags)


def registered(output: Path) -> Mapping[str, Mapping[str, list[str]]]:
    """Register all runs; give the runs that were added and removed, by table."""
    finished = register(output, "--log-format", "json")
    assert finished.returncode == 0, finished.stderr
    told = map(json.loads, finished.stderr.splitlines())
    return {line["table"]: {"added": line["added"], "removed": line["removed"]} for line in told}


def read_delta(output: Path, name: str) -> pd.DataFrame:
    """Read a table by its log, sorted as `console.table` sorts it."""
    files = pa.fs.SubTreeFileSystem(str(output / name), pa.fs.LocalFileSystem())
    frame = DeltaTable(output / name).to_pyarrow_table(filesystem=files).to_pandas()
    return frame.sort_values(["image_id", "image_url"], kind="stable", ignore_index=True)


def test_a_reader_of_delta_sees_the_rows_of_each_table(tmp_path: Path) -> None:
    """The log gives the rows and columns that readers of the folder see, `run` and `error_code` included."""
    night(tmp_path / "out", "2026-11-21", score=1)
    files = {path for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert registered(tmp_path / "out") == {name: {"added": ["2026-11-21"], "removed": []} for name in TABLES}
    new = {path for path in (tmp_path / "out").rglob("*") if path.is_file()} - files
    assert {path.relative_to(tmp_path / "out").parts[1:-1] for path in new} == {("_delta_log",)}
    for name in TABLES:
        found, wanted = read_delta(tmp_path / "out", name), table(tmp_path / "out", name)
        pd.testing.assert_frame_equal(found, wanted.astype(found.dtypes.to_dict()), check_like=True)
        assert DeltaTable(tmp_path / "out" / name).count() == len(wanted) == 1 + (name == "images")


def test_a_repeat_adds_nothing_and_a_new_run_is_one_commit(tmp_path: Path) -> None:
    """A second call writes nothing; after another run, the log has one more version with its rows."""
    output = tmp_path / "out"
    night(output, "one", score=1)
    registered(output)
    assert registered(output) == {name: {"added": [], "removed": []} for name in TABLES}
    assert DeltaTable(output / "faces").version() == 0
    night(output, "two", score=2)
    assert registered(output)["faces"] == {"added": ["two"], "removed": []}
    assert DeltaTable(output / "faces").version() == 1
    assert sorted(read_delta(output, "faces")["run"]) == ["one", "two"]


def test_a_run_that_is_not_committed_is_not_registered(tmp_path: Path) -> None:
    """Files of a run without a record stay out of the log."""
    night(tmp_path / "out", "one")
    night(tmp_path / "out", "killed")
    shutil.rmtree(tmp_path / "out/_runs/killed")
    assert registered(tmp_path / "out")["images"]["added"] == ["one"]


def test_a_deleted_run_leaves_the_log_and_a_replaced_run_is_exchanged(tmp_path: Path) -> None:
    """After a run's folders are deleted, its rows are gone; the same run id with new files replaces it."""
    output = tmp_path / "out"
    for run_id in ("one", "two"):
        night(output, run_id)
    registered(output)
    delete(output, "one")
    assert registered(output)["faces"] == {"added": [], "removed": ["one"]}
    assert [*read_delta(output, "faces")["run"]] == ["two"]
    delete(output, "two")
    night(output, "two", extra="new")
    assert registered(output)["faces"] == {"added": ["two"], "removed": []}
    assert [*read_delta(output, "faces")["extra"]] == ["new"]


def test_a_file_whose_rows_were_deleted_is_registered_again(tmp_path: Path) -> None:
    """After rows of a person are deleted, the log has the file's new size, and a repeat adds nothing."""
    output = tmp_path / "out"
    night(output, "one")
    registered(output)
    (file,) = (output / "images").rglob("*.parquet")
    pq.write_table(pq.read_table(file, partitioning=None).slice(1), file)
    assert registered(output)["images"] == {"added": ["one"], "removed": []}
    assert len(read_delta(output, "images")) == 1
    assert registered(output)["images"] == {"added": [], "removed": []}


def test_a_new_column_is_null_in_older_runs(tmp_path: Path) -> None:
    """A column that only the second run has comes into the log with it."""
    night(tmp_path / "out", "one", score=1)
    registered(tmp_path / "out")
    night(tmp_path / "out", "two", score=2, label="x")
    registered(tmp_path / "out")
    assert sorted(read_delta(tmp_path / "out", "faces")["label"].fillna("-")) == ["-", "x"]


def test_a_run_with_another_type_is_named_and_the_others_are_registered(tmp_path: Path) -> None:
    """The error has run, column and both types; runs before and after it are in the log."""
    output = tmp_path / "out"
    for run_id, score in (("one", 1), ("two", 1.5), ("three", 3)):
        night(output, run_id, score=score)
    finished = register(output)
    assert finished.returncode == 2
    assert "run two is not registered: its column 'score' is double, and the log has 'score' as int64" in (
        finished.stderr
    )
    assert sorted(read_delta(output, "images")["run"].unique()) == ["one", "three"]
    delete(output, "one")
    night(output, "one", score=1.5)
    assert "Such runs: 2;" in register(output).stderr
    assert sorted(read_delta(output, "images")["run"].unique()) == ["three"]


def test_a_column_without_a_delta_type_is_left_out(tmp_path: Path) -> None:
    """Delta has no unsigned numbers: a warning names the column, and the log has all the others."""
    rows = pa.table({"image_url": ["https://example.com/b0.jpg"], "big": pa.array([2**64 - 1], pa.uint64())})
    pq.write_table(rows, tmp_path / "photos.parquet")
    commit(tmp_path / "out", tmp_path / "photos.parquet", "one")
    finished = register(tmp_path / "out")
    assert (finished.returncode, "leaves out 'big'" in finished.stderr) == (0, True), finished.stderr
    assert {*table(tmp_path / "out", "faces").columns} - {*read_delta(tmp_path / "out", "faces").columns} == {
        "big"
    }


def test_a_log_changes_nothing_for_readers_of_the_folders(tmp_path: Path) -> None:
    """With a log, a next run is committed, and pandas and facebeam read the folders as before."""
    output = tmp_path / "out"
    night(output, "0")
    for number in range(1, 4):
        registered(output)
        night(output, str(number))
    assert not [*(output / "faces").glob("*/*checkpoint*")]
    assert len(table(output, "faces")) == every_run(str(output), "faces").read_all().num_rows == 4
    listed = facebeam("runs", "--output", output).stdout.splitlines()
    assert [line.split()[0] for line in listed[1:]] == ["0", "1", "2", "3"]


def test_what_cannot_be_registered_is_refused(tmp_path: Path) -> None:
    """An output without runs, and a damaged log, exit with 2 and one sentence; so does a missing --delta."""
    output = tmp_path / "out"
    assert "has no committed run" in register(output).stderr
    night(output, "one")
    assert "--delta is missing" in facebeam("register", "--output", output).stderr
    registered(output)
    (output / "faces/_delta_log/00000000000000000000.json").write_text("{damaged")
    finished = register(output)
    assert (finished.returncode, finished.stderr.count("\n")) == (2, 1)
    assert f"cannot read or write {output}/faces/_delta_log" in finished.stderr


def test_a_path_that_looks_like_a_url_is_a_path(tmp_path: Path) -> None:
    """A relative output `night:1` is registered and exported, although Arrow and deltalake know URLs."""
    night(tmp_path / "night:1", "one")
    finished = facebeam("register", "--delta", "--output", "night:1", cwd=tmp_path)
    assert finished.returncode == 0, finished.stderr
    finished = facebeam("export", "--output", "night:1", "--format", "parquet", "--to", "copy", cwd=tmp_path)
    assert finished.returncode == 0, finished.stderr
    assert [*read_delta(tmp_path / "night:1", "faces")["run"]] == ["one"]


def test_the_log_of_another_table_is_refused(tmp_path: Path) -> None:
    """A log without the partition `run` exits with 2 and one sentence, and stays as it is."""
    output = tmp_path / "out"
    night(output, "one")
    write_deltalake(output / "faces", pa.table({"other": [1]}))
    finished = register(output)
    assert (finished.returncode, finished.stderr.count("\n")) == (2, 1), finished.stderr
    assert f"{output}/faces/_delta_log is not a log of facebeam: move it away" in finished.stderr
    assert DeltaTable(output / "faces").version() == 0


def test_a_path_that_deltalake_would_misread_is_refused(tmp_path: Path) -> None:
    """Deltalake reads %41 in a path as A: the command exits with 2, says so, and writes nothing."""
    night(tmp_path / "100%", "one")
    assert registered(tmp_path / "100%")["faces"]["added"] == ["one"]
    (tmp_path / "100%").rename(tmp_path / "%41")
    shutil.rmtree(tmp_path / "%41/faces/_delta_log")
    finished = register(tmp_path / "%41")
    assert (finished.returncode, "cannot read a path with '%' and two hex" in finished.stderr) == (2, True)
    assert not (tmp_path / "%41/faces/_delta_log").exists()


@pytest.mark.slow
def test_the_lines_for_polars_run_as_they_stand_in_the_docs(tmp_path: Path) -> None:
    """The block for polars in docs/export.md reads the newest run's faces."""
    if not (READERS / "ready").exists():
        pytest.skip("no polars here: run 'make .readers/ready'")
    night(tmp_path / "out", "one")
    registered(tmp_path / "out")
    found = re.search(r"```python\n(import polars\n.*?)```", (ROOT / "docs/export.md").read_text(), re.DOTALL)
    assert found
    code = f"{found[1]}\nprint(faces.height, *faces['run'])"
    finished = subprocess.run(
        [READERS / "bin/python", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert finished.stdout == "1 one\n", finished.stderr
