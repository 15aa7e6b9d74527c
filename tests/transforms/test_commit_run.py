"""CommitRun checks the staged files against the laws of a run, then makes them visible, once."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import apache_beam as beam
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner
from apache_beam.testing.util import assert_that, equal_to

from facebeam.schemas.errors import ErrorCode, RunError
from facebeam.schemas.layout import Layout
from facebeam.schemas.run_record import CallCounts, RunFacts, sum_of_calls
from facebeam.schemas.tables import TABLES
from facebeam.schemas.values import Annotation
from facebeam.transforms.steps.commit_run import CommitRun, commit_run, latency_percentiles
from facebeam.transforms.steps.flatten import flatten_dead_letters, flatten_faces, flatten_images
from facebeam.transforms.steps.progress import PROGRESS
from facebeam.transforms.steps.write_table import StagedFile, new_staged_file
from tests.helpers.values import ANSWER, annotation, dead_letter, row

CALLS = CallCounts(images=5, from_journal=2, sent=4, retries=1)

OWN = pa.schema([pa.field("caption", pa.string()), pa.field("n", pa.int64())])
FACTS = RunFacts(options={"mode": 0})
ROWS_READ = 5


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """Give the layout of a run whose output folder does not exist yet."""
    return Layout(str(tmp_path / "out"), "r1")


def stage(layout: Layout, table: str, batch: pa.RecordBatch, partition: str = "") -> StagedFile:
    """Write a batch of rows into a staged file."""
    file = new_staged_file(layout, table, partition)
    Path(file.path).parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_batches([batch]), file.path)
    return file.counting(batch)._replace(size_bytes=Path(file.path).stat().st_size)


def staged_run(layout: Layout) -> list[StagedFile]:
    """Stage five manifest rows: two images with three faces in all, one without faces, two dead letters."""
    parts = [[annotation(1, 2, "one", 1)], [annotation(2, 1, None, 2), annotation(3, 0, "three", None)]]
    codes = (ErrorCode.TIMEOUT, ErrorCode.NOT_FOUND)
    letters = [dead_letter(number, code, "dead", number) for number, code in enumerate(codes, 4)]
    return [
        *(stage(layout, "faces", flatten_faces(part, OWN)) for part in parts),
        *(stage(layout, "images", flatten_images(part, OWN)) for part in parts),
        *(
            stage(
                layout,
                "dead_letters",
                flatten_dead_letters([letter], OWN),
                f"error_code={letter.failure.code}",
            )
            for letter in letters
        ),
    ]


def frames(layout: Layout) -> dict[str, pd.DataFrame]:
    """Read every table of an output with pandas, as a user does."""
    return {table: pd.read_parquet(layout.folder(table)) for table in TABLES}


def nothing_is_visible(layout: Layout) -> bool:
    """Tell whether an output has no folder of a table and no run record."""
    return {path.name for path in Path(layout.output).iterdir()} <= {"_staging"}


def files(layout: Layout) -> dict[Path, bytes]:
    """Read all files of an output: path -> content."""
    return {path: path.read_bytes() for path in Path(layout.output).rglob("*") if path.is_file()}


def test_a_run_is_read_with_pandas(layout: Layout) -> None:
    """A user reads every staged row once with pandas, with run and error code as columns."""
    commit_run(layout, staged_run(layout), ROWS_READ, CALLS, OWN, FACTS)
    tables = frames(layout)
    assert sorted(tables["faces"].image_id) == ["image-1", "image-1", "image-2"]
    assert sorted(tables["images"].outcome) == ["no_face", "ok", "ok"]
    assert set(tables["images"].caption) == {"one", None, "three"}
    letters = tables["dead_letters"].set_index("image_id").error_code.astype(str)
    assert letters.to_dict() == {"image-4": "timeout", "image-5": "not_found"}
    assert all(set(frame.run) == {"r1"} for frame in tables.values())
    assert not Path(layout.staging).exists()


def test_the_record_tells_what_was_committed(layout: Layout) -> None:
    """The run record contains counts, facts, latencies and the published name of every file."""
    commit_run(layout, staged_run(layout), ROWS_READ, CALLS, OWN, FACTS)
    record = json.loads(Path(layout.run_json).read_bytes())
    assert record["run_id"] == "r1"
    assert record["options"] == {"mode": 0}
    assert record["counts"] == {
        "rows_read": 5,
        "ok": 2,
        "no_face": 1,
        "face_count": 3,
        "faces": 3,
        "dead": {"not_found": 1, "timeout": 1},
    }
    assert record["latency_ms"] == {"p50": 12.5, "p95": 12.5, "p99": 12.5}
    found = [str(path.relative_to(layout.output)) for path in Path(layout.output).rglob("*.parquet")]
    assert sorted(record["files"]) == sorted(found)
    assert Counter(path.rpartition("/")[0] for path in found) == {
        "faces/run=r1": 2,
        "images/run=r1": 2,
        "dead_letters/run=r1/error_code=timeout": 1,
        "dead_letters/run=r1/error_code=not_found": 1,
    }
    assert Path(layout.success).exists()


@pytest.mark.parametrize(
    ("missing", "rows_read", "law"),
    [
        (None, 4, "every manifest row ends in exactly one place: 4 rows read"),
        (None, 6, "every manifest row ends in exactly one place: 6 rows read"),
        (0, 5, "one row per face: images have 3 faces, the faces table has 1 rows"),
        (2, 5, "5 rows read, 1 ok"),
        (4, 5, r"5 rows read, 2 ok \+ 1 no_face \+ 1 dead letters"),
    ],
)
def test_a_broken_law_is_not_committed(layout: Layout, missing: int | None, rows_read: int, law: str) -> None:
    """When the counts do not add up, RunError names the law and the counts, and nothing becomes visible."""
    staged = [file for number, file in enumerate(staged_run(layout)) if number != missing]
    with pytest.raises(RunError, match=f"run r1 is not committed, a law is broken: .*{law}"):
        commit_run(layout, staged, rows_read, CALLS, OWN, FACTS)
    assert nothing_is_visible(layout)
    assert not Path(layout.plan).exists()


def test_what_is_counted_is_what_is_on_the_disk(layout: Layout) -> None:
    """A staged file that is truncated or missing ends the run with an error, and nothing becomes visible."""
    staged = staged_run(layout)
    whole = Path(staged[3].path).read_bytes()
    for broken in (whole[:-10], whole[:10], b""):
        Path(staged[3].path).write_bytes(broken)
        with pytest.raises(RunError, match=f"cannot read {staged[3].path}"):
            commit_run(layout, staged, ROWS_READ, CALLS, OWN, FACTS)
    Path(staged[3].path).unlink()
    with pytest.raises(RunError, match=f"cannot read {staged[3].path}"):
        commit_run(layout, staged, ROWS_READ, CALLS, OWN, FACTS)
    assert nothing_is_visible(layout)


@pytest.mark.parametrize(("rows_read", "dead"), [(0, 0), (1, 1)])
def test_a_table_without_rows_has_its_schema(layout: Layout, rows_read: int, dead: int) -> None:
    """An empty table has all columns and types and no row group, for an empty manifest and for bad rows."""
    letters = [dead_letter(1, ErrorCode.TIMEOUT, "dead", 1)] * dead
    batch = flatten_dead_letters(letters, OWN)
    staged = [stage(layout, "dead_letters", batch, "error_code=timeout")] * dead
    commit_run(layout, staged, rows_read, CALLS, OWN, FACTS)
    for table, frame in frames(layout).items():
        partitions = ["run", "error_code"] if table == "dead_letters" else ["run"]
        assert list(frame.columns) == [*TABLES[table].names, "caption", "n", *partitions]
        assert len(frame) == (dead if table == "dead_letters" else 0)
    (images,) = Path(layout.published("images")).iterdir()
    schema = pq.read_schema(images)
    assert schema.field("n").type == pa.int64()
    assert schema.metadata[b"facebeam.table"] == b"images"
    assert pq.read_metadata(images).num_row_groups == 0
    assert set(json.loads(Path(layout.run_json).read_bytes())["latency_ms"].values()) == {None}


def test_two_runs_lie_beside_each_other(layout: Layout) -> None:
    """An empty run and two full ones are read as one table each, and the column `run` tells them apart."""
    commit_run(layout, staged_run(layout), ROWS_READ, CALLS, OWN, FACTS)
    commit_run(Layout(layout.output, "r2"), [], 0, CALLS, OWN, FACTS)
    other = Layout(layout.output, "r3")
    commit_run(other, staged_run(other), ROWS_READ, CALLS, OWN, FACTS)
    tables = frames(layout)
    assert tables["images"].run.value_counts().to_dict() | {"r2": 0} == {"r1": 3, "r3": 3, "r2": 0}
    assert len(tables["faces"]) == 6
    assert set(tables["dead_letters"].error_code.astype(str)) == {"timeout", "not_found"}


def test_committing_again_changes_nothing(layout: Layout) -> None:
    """A second commit of a run changes no file, even with other files, counts and facts."""
    staged = staged_run(layout)
    commit_run(layout, staged, ROWS_READ, CALLS, OWN, FACTS)
    before = files(layout)
    commit_run(layout, staged, ROWS_READ, CALLS, OWN, FACTS)
    commit_run(layout, [], 99, CALLS, OWN, RunFacts(options={"others": 1}))
    assert files(layout) == before


def test_a_commit_that_was_cut_off_is_finished_as_it_was_planned(layout: Layout) -> None:
    """The next commit finishes one that was cut off, with the files and the record of the first commit."""
    staged = staged_run(layout)
    obstacle = Path(layout.folder("images"))
    obstacle.touch()
    with pytest.raises(RunError, match=f"cannot publish {obstacle}"):
        commit_run(layout, staged, ROWS_READ, CALLS, OWN, FACTS)
    assert not Path(layout.success).exists()
    obstacle.unlink()
    commit_run(layout, [], 0, CALLS, OWN, RunFacts())
    assert len(frames(layout)["images"]) == 3
    assert json.loads(Path(layout.run_json).read_bytes())["options"] == {"mode": 0}


def test_stored_answers_have_no_latencies(layout: Layout) -> None:
    """Answers from the journal are in no percentile; without any other there is none."""
    stored = [Annotation(row(n), replace(ANSWER, from_journal=True)) for n in range(9)]
    asked = [Annotation(row(9), replace(ANSWER, latency_ms=7.0))]
    first = stage(layout, "images", flatten_images(stored, pa.schema([])))
    assert set(latency_percentiles([first])) == {None}
    second = stage(layout, "images", flatten_images(asked, pa.schema([])))
    assert set(latency_percentiles([first, second])) == {7.0}


def test_latencies_are_percentiles(layout: Layout) -> None:
    """The latencies are the median, the 95th and the 99th percentile over all files."""
    answered = [Annotation(row(n), replace(ANSWER, latency_ms=float(n))) for n in range(100)]
    parts = (answered[70:], answered[:70])
    staged = [stage(layout, "images", flatten_images(part, pa.schema([]))) for part in parts]
    found = latency_percentiles(staged)
    assert found._asdict() == {
        "p50": pytest.approx(49.5, abs=1),
        "p95": pytest.approx(94.5, abs=1),
        "p99": pytest.approx(98.5, abs=1),
    }


@pytest.fixture
def _progress() -> Iterator[None]:
    """Restore the progress of the process after the test."""
    before = PROGRESS.committed
    yield
    PROGRESS.committed = before


@pytest.mark.usefixtures("_progress")
def test_the_step_commits_once_in_a_pipeline(layout: Layout) -> None:
    """CommitRun commits all files and counts together and gives the run id; a repeated bundle is harmless."""
    staged = staged_run(layout)
    with beam.Pipeline(FnApiRunner(bundle_repeat=1)) as root:
        counts = root | "Counts" >> beam.Create([2, 3, 0])
        calls = root | "Calls" >> beam.Create([CALLS, CALLS])
        committed = root | "Files" >> beam.Create(staged) | CommitRun(layout, counts, calls, OWN, FACTS)
        assert_that(committed, equal_to(["r1"]))
    assert PROGRESS.committed
    assert len(frames(layout)["images"]) == 3
    assert json.loads(Path(layout.run_json).read_text())["calls"] == sum_of_calls([CALLS, CALLS])._asdict()


def test_a_pipeline_with_a_broken_law_fails(layout: Layout) -> None:
    """A pipeline that read a row but staged no file fails with the law's error and writes no output."""
    root = beam.Pipeline(FnApiRunner())
    counts = root | "Counts" >> beam.Create([1])
    calls = root | "Calls" >> beam.Create([CALLS])
    files_written = root | "Files" >> beam.Create([]).with_output_types(StagedFile)
    _ = files_written | CommitRun(layout, counts, calls, OWN, FACTS)
    with pytest.raises(RunError, match="1 rows read, 0 ok"):
        root.run()
    assert not Path(layout.output).exists()
