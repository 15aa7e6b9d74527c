"""The readers of all committed runs: every row, or the newest answer of each image."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from facebeam.schemas.read_tables import every_run, newest
from facebeam.schemas.tables import IMAGES

Image = tuple[str, str, int, object]
"""`image_id`, `image_url`, number of faces, and the value of the own column `own`."""


def commit(output: Path, run_id: str, images: Sequence[Image], kind: pa.DataType | None = None) -> None:
    """Write a run as a committed one, its tables with their key columns only; runs are committed in order.

    Args:
        output: the folder of all runs.
        run_id: the run's name.
        images: its images.
        kind: type of the column `own`. None: that of its values.
    """
    own = pa.field("own", kind or pa.array([value for *_, value in images]).type)
    keys = [("image_id", pa.string()), ("image_url", pa.string())]
    rows_of = {
        "images": [{"image_id": i, "image_url": u, "face_count": n, "own": v} for i, u, n, v in images],
        "faces": [
            {"image_id": i, "image_url": u, "face_index": face, "own": v}
            for i, u, n, v in images
            for face in range(n)
        ],
    }
    for table, count in (("images", "face_count"), ("faces", "face_index")):
        folder = output / table / f"run={run_id}"
        folder.mkdir(parents=True)
        schema = pa.schema([*keys, (count, pa.int32()), own])
        pq.write_table(pa.Table.from_pylist(rows_of[table], schema), folder / "part-0.parquet")
    records = output / "_runs" / run_id
    records.mkdir(parents=True)
    number = len(list(records.parent.iterdir()))
    (records / "run.json").write_text(json.dumps({"run_id": run_id, "committed_at": f"2026-11-{number:02}"}))
    (records / "_SUCCESS").touch()


def rows(reader: pa.RecordBatchReader) -> list[tuple[Any, ...]]:
    """Read all rows; the order of the columns is the reader's."""
    return [tuple(row.values()) for row in reader.read_all().to_pylist()]


def test_the_newest_answer_counts(tmp_path: Path) -> None:
    """A newer answer replaces an older one with all its faces, also by none; the order of ids is no time."""
    commit(tmp_path, "z", [("a", "u/a", 3, 1), ("b", "u/b", 1, 1), ("c", "u/c", 2, 1)])
    commit(tmp_path, "a", [("a", "u/a", 0, 2), ("b", "u/b", 2, 2)])
    columns = ["image_id", "own", "run"]
    assert rows(newest(str(tmp_path), "images", columns)) == [("a", 2, "a"), ("b", 2, "a"), ("c", 1, "z")]
    assert rows(newest(str(tmp_path), "faces", ["face_index", *columns])) == [
        *((0, "b", 2, "a"), (1, "b", 2, "a")),
        *((0, "c", 1, "z"), (1, "c", 1, "z")),
    ]


def test_an_image_that_is_listed_twice_comes_once(tmp_path: Path) -> None:
    """Equal rows and equal URLs under two ids are one image, in both tables the same."""
    commit(tmp_path, "one", [("a", "u/a", 2, 1), ("a", "u/a", 2, 1), ("b", "u/a", 2, 1), ("b", "u/b", 1, 1)])
    columns = ["image_id", "image_url"]
    assert rows(newest(str(tmp_path), "images", columns)) == [("a", "u/a"), ("b", "u/b")]
    assert rows(newest(str(tmp_path), "faces", [*columns, "face_index"])) == [
        *(("a", "u/a", 0), ("a", "u/a", 1)),
        ("b", "u/b", 0),
    ]


def test_an_id_can_name_an_image(tmp_path: Path) -> None:
    """With `key="image_id"` an image whose URL has another signature each night comes once."""
    commit(tmp_path, "one", [("a", "u/a?sig=1", 2, 1), ("b", "u/b?sig=1", 1, 1)])
    commit(tmp_path, "two", [("a", "u/a?sig=2", 1, 1)])
    found = rows(newest(str(tmp_path), "faces", ["image_url", "face_index"], key="image_id"))
    assert found == [("u/a?sig=2", 0), ("u/b?sig=1", 0)]
    assert len(rows(newest(str(tmp_path), "images"))) == 3


@pytest.mark.parametrize(
    ("before", "after", "both"),
    [
        (7, 7.5, [7.0, 7.5]),
        (2**53 + 1, 7.5, ["9007199254740993", "7.5"]),
        (7, "seven", ["7", "seven"]),
        (True, 1, ["true", "1"]),
        (["a"], '["b"]', ['["a"]', '["b"]']),
        (None, 7, [None, "7"]),
    ],
)
def test_a_column_with_two_types_keeps_its_values(
    tmp_path: Path, before: object, after: object, both: list[object]
) -> None:
    """A column gets one type that holds the values of all runs; a text, where there is no other."""
    kind = pa.string() if before is None else None  # a run writes a column without values so
    commit(tmp_path, "one", [("a", "u/a", 0, before)], kind)
    commit(tmp_path, "two", [("b", "u/b", 0, after)])
    assert rows(every_run(str(tmp_path), "images", ["own"])) == [(value,) for value in both]


@pytest.mark.parametrize(
    ("one", "other", "common"),
    [
        (pa.int64(), pa.float32(), pa.float64()),
        (pa.float32(), pa.float64(), pa.float64()),
        (pa.uint64(), pa.int64(), pa.string()),
        (pa.decimal128(31, 30), pa.float64(), pa.string()),
        (pa.int64(), pa.decimal128(10, 2), pa.string()),
        (pa.decimal128(5, 1), pa.decimal128(10, 2), pa.decimal128(10, 2)),
        (pa.timestamp("s"), pa.timestamp("us"), pa.timestamp("us")),
    ],
)
def test_types_are_widened_without_loss(
    tmp_path: Path, one: pa.DataType, other: pa.DataType, common: pa.DataType
) -> None:
    """The common type of two does not depend on their order."""
    for name, kinds in (("there", (one, other)), ("back", (other, one))):
        for kind in kinds:
            commit(tmp_path / name, str(kind), [("a", "u/a", 0, None)], kind)
        assert every_run(str(tmp_path / name), "images").schema.field("own").type == common


def test_a_run_without_the_mark_of_success_is_not_read(tmp_path: Path) -> None:
    """A run that was killed before the end is invisible; an output without any other is an error."""
    commit(tmp_path, "one", [("a", "u/a", 1, 1)])
    commit(tmp_path, "two", [("a", "u/a", 2, "x"), ("b", "u/b", 1, "y")])
    (tmp_path / "_runs/two/_SUCCESS").unlink()
    assert rows(newest(str(tmp_path), "images", ["own", "run"])) == [(1, "one")]
    assert len(rows(every_run(str(tmp_path), "faces"))) == 1
    (tmp_path / "_runs/one/_SUCCESS").unlink()
    with pytest.raises(FileNotFoundError, match="has no committed run: give the --output of a committed run"):
        newest(str(tmp_path), "images")


def test_a_column_that_no_run_has_is_an_error(tmp_path: Path) -> None:
    """A wrong name raises KeyError with the name, before anything is read."""
    commit(tmp_path, "one", [("a", "u/a", 1, 1)])
    with pytest.raises(KeyError, match="scroe"):
        newest(str(tmp_path), "faces", ["scroe"])


def test_an_output_may_be_a_uri(tmp_path: Path) -> None:
    """The readers take a URI; a run without rows changes nothing."""
    commit(tmp_path, "one", [("a", "u/a", 1, 1)])
    commit(tmp_path, "two", [], pa.int64())
    assert rows(newest(f"file://{tmp_path}", "faces", ["own", "run"])) == [(1, "one")]


def test_runs_of_schema_version_1_are_read_beside_newer_ones(tmp_path: Path) -> None:
    """A column that was never null in older runs is read together with its nulls in newer ones."""
    field = IMAGES.field("latency_ms")
    for run_id, latency, nullable in (("one", 0.0, False), ("two", None, True)):
        commit(tmp_path, run_id, [(run_id, f"u/{run_id}", 0, 1)])
        (path,) = (tmp_path / "images" / f"run={run_id}").iterdir()
        column = pa.array([latency], field.type)
        pq.write_table(pq.read_table(path).append_column(field.with_nullable(nullable), column), path)
    columns = ["image_id", "latency_ms"]
    assert rows(every_run(str(tmp_path), "images", columns)) == [("one", 0.0), ("two", None)]
    assert rows(newest(str(tmp_path), "images", columns)) == [("two", None), ("one", 0.0)]
