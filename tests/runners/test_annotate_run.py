"""A good run through the command line: its tables, its summary, its record, and how they are read."""

import json
import os
import pty
import select
import subprocess
import sys
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pytest

from facebeam.schemas.landmarks import landmark_names
from facebeam.schemas.run_record import RECORD_MEANINGS
from facebeam.schemas.tables import face_points
from tests.helpers.console import (
    FACEBEAM,
    ROOT,
    TABLES,
    Finished,
    annotate,
    facebeam,
    run_json,
    staged,
    table,
    write_urls,
)
from tests.helpers.processes import running
from tests.helpers.waiting import DEADLINE_S

MANIFEST = """\
image_id,image_url,caption,weight
astronaut,{photos}/astronaut.png,"one, face",1
again,{photos}/astronaut.png,the same,2
two,{photos}/obama.jpg,,3
cup,{photos}/coffee.png,no face,4
gone,{photos}/no-such.png,missing,5
text,{photos}/text.jpg,no image,6
,ftp://example.com/a.jpg,no URL,7
"""


@dataclass(frozen=True)
class Run:
    """A finished run over the manifest above."""

    output: Path
    finished: Finished
    manifest: Path


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, photos: Path) -> Run:
    """Annotate the manifest above once."""
    folder = tmp_path_factory.mktemp("run")
    for name in ("astronaut.png", "obama.jpg", "coffee.png"):
        (folder / name).symlink_to(photos / name)
    (folder / "text.jpg").write_text("This is no photograph.")
    manifest = folder / "photos.csv"
    manifest.write_text(MANIFEST.format(photos=folder))
    flags = ("--allow-local-files", "--run-id", "one")
    return Run(folder / "out", annotate(manifest, folder / "out", *flags), manifest)


def test_every_row_is_in_one_table(run: Run) -> None:
    """The run exits with 0, and each row of the manifest is once in images or once in dead letters."""
    assert run.finished.returncode == 0, run.finished.stderr
    images, letters = table(run.output, "images"), table(run.output, "dead_letters")
    assert dict(zip(images["image_id"], images["outcome"], strict=True)) == {
        "astronaut": "ok",
        "again": "ok",
        "two": "ok",
        "cup": "no_face",
    }
    assert letters.set_index("caption")["error_code"].astype(str).to_dict() == {
        "missing": "not_found",
        "no image": "image_undecodable",
        "no URL": "invalid_manifest_row",
    }


def test_faces_have_their_points(run: Run) -> None:
    """Each face is one row with 90 points, its pupils in the right place; equal URLs have equal points."""
    faces = table(run.output, "faces")
    assert list(faces["image_id"]) == ["again", "astronaut", "two"]
    points = face_points(pa.Table.from_pandas(faces))
    assert points.shape == (3, 90, 2)
    assert np.isfinite(points).all()
    again, astronaut, _ = faces[[f"{name}_{axis}" for name in landmark_names() for axis in "xy"]].to_numpy()
    assert np.array_equal(again, astronaut)
    left, right = points[1][88:, 0]
    assert 180 < left < right < 280


def test_the_manifests_columns_pass_through(run: Run) -> None:
    """Every table has the manifest's own columns, as text."""
    images = table(run.output, "images").set_index("image_id")
    assert images.loc["astronaut", "caption"] == "one, face"
    assert images.loc["cup", "weight"] == "4"
    assert images.loc["two", "caption"] == ""
    assert set(table(run.output, "faces")["weight"]) == {"1", "2", "3"}
    assert set(table(run.output, "dead_letters")["weight"]) == {"5", "6", "7"}


def test_the_tables_are_one_dataset_to_arrow(run: Run) -> None:
    """A pyarrow dataset has runs and error codes as columns, and keeps the schema's metadata."""
    letters = ds.dataset(run.output / "dead_letters", partitioning="hive")
    found = letters.to_table(filter=pc.field("error_code") == "not_found")
    assert found["run"].to_pylist() == ["one"]
    assert found["image_id"].to_pylist() == ["gone"]
    metadata = ds.dataset(run.output / "faces", partitioning="hive").schema.metadata
    assert metadata[b"facebeam.schema_version"] == b"2"
    assert b"left_eye_brow" in metadata[b"facebeam.offsets"]


def test_the_record_says_what_the_files_hold(run: Run) -> None:
    """The record has counts, exactly the files that exist, options and versions; no file stays staged."""
    record = run_json(run.output, "one")
    told = ("counts", "calls", "latency_ms")
    keys = [(key, *(f"{key}.{inner}" for inner in record[key] if key in told)) for key in record]
    assert [*chain(*keys)] == list(RECORD_MEANINGS)
    dead = {"image_undecodable": 1, "invalid_manifest_row": 1, "not_found": 1}
    counted = {"rows_read": 7, "ok": 3, "no_face": 1, "face_count": 3, "faces": 3, "dead": dead}
    assert record["counts"] == counted
    files = {path for name in TABLES for path in (run.output / name).rglob("*.parquet")}
    assert {run.output / path for path in record["files"]} == files
    assert record["options"]["source"] == "local"
    assert {"facebeam", "apache-beam"} < set(record["versions"])
    assert staged(run.output) == []


def test_the_summary_is_on_stdout_and_its_last_line_opens_the_faces(run: Run) -> None:
    """The summary has the counts, and its last line is Python code that opens the faces as printed."""
    lines = run.finished.stdout.splitlines()
    said = " ".join(" ".join(lines).replace("│", " ").split())
    for part in ("run one", "rows 7", "ok 3", "no face 1", "dead letters 3", "not_found 1", "faces 3"):
        assert part in said
    (message,) = table(run.output, "dead_letters").query("error_code == 'not_found'")["message"]
    assert f"not_found: {message}\n  cure: correct the URL or drop the row\n" in run.finished.stdout
    opening = f"{lines[-1].removeprefix('open them').strip()}; print(len(faces))"
    shown = subprocess.run([sys.executable, "-c", opening], capture_output=True, text=True, check=True)
    assert shown.stdout == "3\n"


def test_a_committed_run_is_not_run_again(run: Run) -> None:
    """A second command with the id of a committed run says so, exits with 0 and changes no file."""
    before = {path: path.stat().st_mtime_ns for path in run.output.rglob("*")}
    finished = annotate(run.manifest, run.output, "--allow-local-files", "--run-id", "one")
    assert finished.returncode == 0
    assert "run one is committed already: nothing to do" in finished.stderr
    assert before == {path: path.stat().st_mtime_ns for path in run.output.rglob("*")}


def test_dead_letters_are_a_manifest(run: Run) -> None:
    """A second run over dead letters keeps their rows, ids and columns, and answers the repaired one."""
    mended = run.manifest.parent / "no-such.png"
    mended.symlink_to(run.manifest.parent / "astronaut.png")
    letters = run.output / "dead_letters/run=one/*/*.parquet"
    finished = annotate(
        str(letters), run.output, "--allow-local-files", "--run-id", "two", "--ask-again", "not_found"
    )
    mended.unlink()
    assert finished.returncode == 0, finished.stderr
    images, dead = table(run.output, "images", "two"), table(run.output, "dead_letters", "two")
    assert images[["image_id", "caption", "weight"]].to_numpy().tolist() == [["gone", "missing", "5"]]
    assert sorted(dead["caption"]) == ["no URL", "no image"]
    assert len(table(run.output, "faces")) == 4


def test_the_modules_own_entry_does_the_same(run: Run) -> None:
    """`python -m facebeam.runners.annotate` finds the committed run and does nothing."""
    command = [sys.executable, "-m", "facebeam.runners.annotate", "--manifest", str(run.manifest)]
    flags = ["--output", str(run.output), "--run-id", "one", "--allow-local-files"]
    flags += ["--max-failure-share", "1"]
    finished = subprocess.run([*command, *flags], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (finished.returncode, "nothing to do" in finished.stderr) == (0, True)


def test_min_score_leaves_faces_out_of_the_tables(run: Run, tmp_path: Path) -> None:
    """`--min-score` keeps the sure faces, counts the others, and takes all from the journal."""
    scores = table(run.output, "faces", "one").drop_duplicates(["image_url", "face_index"])["score"]
    limit, journal = scores.max(), run.output / "responses"
    flags = ("--allow-local-files", "--journal", journal, "--run-id", "sure", "--min-score", limit)
    finished = annotate(run.manifest, tmp_path, *flags)
    assert finished.returncode == 0, finished.stderr
    record, faces, images = run_json(tmp_path, "sure"), table(tmp_path, "faces"), table(tmp_path, "images")
    assert images["from_journal"].all()
    assert record["calls"]["faces_left_out"] == (scores < limit).sum()
    assert "left out by --min-score" in finished.stdout
    assert faces["score"].min() == limit
    assert set(images.loc[images["face_count"] == 0, "outcome"]) == {"no_face"}
    assert record["counts"]["faces"] == len(faces) == images["face_count"].sum()


def test_the_default_run_id_sorts_by_time(run: Run) -> None:
    """The default run id is UTC time and six more characters; a run with too many failures exits with 3."""
    output = run.output.with_name("unnamed")
    finished = facebeam("annotate", "--source", "fake", "--manifest", run.manifest, "--output", output)
    assert finished.returncode == 3
    assert "is committed, but 100.0 % of its rows are dead letters" in finished.stderr
    (record,) = (output / "_runs").glob("*/run.json")
    assert pd.to_datetime(record.parent.name[:16], format="%Y%m%dT%H%M%SZ") > pd.Timestamp("2025-01-01")
    assert len(record.parent.name) == 16 + 1 + 6


def test_a_terminal_gets_a_live_bar(run: Run) -> None:
    """If stderr is a terminal, it shows rich's progress bar; the summary is on stdout as always."""
    ours, theirs = pty.openpty()
    command = [FACEBEAM, "annotate", "--manifest", run.manifest, "--allow-local-files"]
    flags = ["--output", run.output, "--run-id", "seen", "--max-failure-share", "1"]
    with running([*command, *flags], stdout=subprocess.PIPE, stderr=theirs) as process:
        os.close(theirs)
        shown = _read_all(ours)
        assert process.stdout is not None
        assert "run seen" in process.stdout.read()
        assert process.wait(DEADLINE_S) == 0
    assert "annotating" in shown or "reading" in shown
    assert "\x1b[" in shown


def _read_all(terminal: int) -> str:
    """Read a terminal until the other side closes it, which Linux reports as an error."""
    shown = b""
    while select.select([terminal], [], [], 60)[0]:
        try:
            shown += os.read(terminal, 65536)
        except OSError:
            break
    os.close(terminal)
    return shown.decode()


def test_the_last_line_opens_an_output_whose_name_has_spaces(tmp_path: Path) -> None:
    """The line opens the faces from any working folder, and machines get example and cure of each code."""
    urls = ["https://example.com/b0.jpg", "https://example.com/fail-timeout/a.jpg?signature=secret"]
    manifest = write_urls(tmp_path / "urls.txt", urls)
    flags = ("--source", "fake", "--run-id", "one", "--max-failure-share", 1)
    where = ("--manifest", manifest, "--output", 'Ann\'s "best" faces')
    finished = facebeam("annotate", *flags, *where, cwd=tmp_path)
    opening = finished.stdout.splitlines()[-1].removeprefix("open them").strip()
    shown = subprocess.run(
        [sys.executable, "-c", f"{opening}; print(len(faces))"],
        capture_output=True,
        text=True,
        check=True,
        cwd="/",
    )
    assert shown.stdout == "1\n"
    told = facebeam("annotate", *flags, *where, "--log-format", "json", cwd=tmp_path)
    example = json.loads(told.stderr.splitlines()[-1])["examples"]["timeout"]
    assert example["image_url"] == "https://example.com/fail-timeout/a.jpg"
    assert example["cure"] == "replay, or use a copy on a faster host"
    assert example["message"]
