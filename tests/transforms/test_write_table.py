"""WriteTable in a pipeline: pandas reads the values back from its Parquet files."""

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import repeat
from pathlib import Path
from typing import TypeVar

import apache_beam as beam
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.pvalue import PBegin, PCollection
from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner
from apache_beam.transforms.combiners import ToList

from facebeam.schemas.errors import ErrorCode, RunError
from facebeam.schemas.layout import Layout
from facebeam.schemas.tables import DEAD_LETTERS, FACES, with_manifest_columns
from facebeam.schemas.values import Annotation, DeadLetter
from facebeam.transforms.steps.flatten import flatten_dead_letters, flatten_faces, flatten_images
from facebeam.transforms.steps.write_table import (
    BYTES_A_ROW_GROUP,
    VALUES_A_FILE,
    VALUES_A_ROW_GROUP,
    StagedFile,
    WriteTable,
)
from tests.helpers.values import annotation, dead_letter, row

Value = TypeVar("Value", Annotation, DeadLetter)

_TAGS = pa.list_(pa.field("element", pa.int64()))  # Parquet's name for an item of a list
OWN = pa.schema([pa.field("caption", pa.string()), pa.field("tags", _TAGS)])


def code_of(letter: DeadLetter) -> str:
    """Give the name of the folder for a dead letter."""
    return f"error_code={letter.failure.code}"


def letters_of(numbers: Iterable[int]) -> Iterator[DeadLetter]:
    """Make dead letters that have two codes in turn."""
    codes = (ErrorCode.TIMEOUT, ErrorCode.NOT_FOUND)
    return (dead_letter(number, codes[number % 2], f"caption {number}", [number]) for number in numbers)


def save(staged: Sequence[StagedFile], path: Path) -> None:
    """Save the pipeline's result in a file, where the test can read it."""
    path.write_text(json.dumps(staged))


def written(
    folder: Path, values: beam.PTransform[PBegin, PCollection[Value]], step: WriteTable[Value], *flags: str
) -> list[StagedFile]:
    """Write values; give the files that the step says it wrote."""
    result = folder / "staged.json"
    with beam.Pipeline(FnApiRunner(), PipelineOptions(list(flags))) as root:
        _ = root | values | step | ToList() | beam.Map(save, result)
    return [StagedFile(*file) for file in json.loads(result.read_bytes())]


def on_disk(folder: Path) -> set[str]:
    """List the Parquet files below a folder."""
    return {str(path) for path in folder.rglob("*.parquet")}


def test_each_partition_has_a_file_of_its_rows(tmp_path: Path) -> None:
    """Each dead letter is once in a staged file of its code, with the table's schema and zstd compression."""
    layout = Layout(str(tmp_path / "out"), "r1")
    step = WriteTable("dead_letters", flatten_dead_letters, OWN, layout, code_of)
    staged = written(tmp_path, beam.Create(list(letters_of(range(20)))), step)
    assert on_disk(tmp_path) == {file.path for file in staged}
    found: dict[str, list[str]] = {"error_code=timeout": [], "error_code=not_found": []}
    for file in staged:
        assert Path(file.path).is_relative_to(layout.staging)
        assert file.table == "dead_letters"
        frame = pd.read_parquet(file.path)
        assert set(frame.raw_code) == {file.partition.removeprefix("error_code=")}
        assert [f"caption {tags[0]}" for tags in frame.tags] == list(frame.caption)
        found[file.partition] += frame.image_id.tolist()
        assert pq.read_schema(file.path).equals(with_manifest_columns(DEAD_LETTERS, OWN), check_metadata=True)
        assert pq.read_metadata(file.path).row_group(0).column(0).compression == "ZSTD"
    assert {partition: sorted(ids) for partition, ids in found.items()} == {
        "error_code=timeout": sorted(f"image-{number}" for number in range(0, 20, 2)),
        "error_code=not_found": sorted(f"image-{number}" for number in range(1, 20, 2)),
    }


@pytest.mark.parametrize(
    ("values", "groups"),
    [
        (2 * VALUES_A_ROW_GROUP + 1, [VALUES_A_ROW_GROUP, VALUES_A_ROW_GROUP, 1]),
        (VALUES_A_ROW_GROUP, [VALUES_A_ROW_GROUP]),
    ],
)
def test_a_long_file_is_written_in_row_groups(tmp_path: Path, values: int, groups: list[int]) -> None:
    """One bundle becomes one file, whose row groups are full except for the last."""
    step = WriteTable("images", flatten_images, pa.schema([]), Layout(str(tmp_path), "r1"))
    one_bundle = beam.Create([values]) | beam.FlatMap(lambda count: map(annotation, range(count)))
    (file,) = written(tmp_path, one_bundle, step)
    assert (file.table, file.partition) == ("images", "")
    frame = pd.read_parquet(file.path)
    assert frame.image_id.tolist() == [f"image-{number}" for number in range(values)]
    metadata = pq.read_metadata(file.path)
    assert [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)] == groups


def test_large_rows_are_written_in_smaller_row_groups(tmp_path: Path) -> None:
    """A row group ends when its rows have many bytes: 10,000 of them may be more than memory holds."""
    caption = "x" * (BYTES_A_ROW_GROUP // 2)
    step = WriteTable("images", flatten_images, OWN, Layout(str(tmp_path), "r1"))
    one_bundle = beam.Create([5]) | beam.FlatMap(
        lambda n: [annotation(i, 1, caption, None) for i in range(n)]
    )
    (file,) = written(tmp_path, one_bundle, step)
    metadata = pq.read_metadata(file.path)
    assert [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)] == [2, 2, 1]


def test_a_file_has_an_end(tmp_path: Path) -> None:
    """A bundle with more values than a file holds becomes two files, and no value is lost."""
    group = flatten_images([annotation()] * VALUES_A_ROW_GROUP, pa.schema([]))

    def flatten(annotations: Sequence[Annotation], _columns: pa.Schema) -> pa.RecordBatch:
        return group.slice(0, len(annotations))

    step = WriteTable("images", flatten, pa.schema([]), Layout(str(tmp_path), "r1"))
    one_bundle = beam.Create([VALUES_A_FILE + 3]) | beam.FlatMap(lambda count: repeat(annotation(), count))
    staged = written(tmp_path, one_bundle, step)
    assert sorted(pq.read_metadata(file.path).num_rows for file in staged) == [3, VALUES_A_FILE]


def test_values_without_rows_are_an_empty_file(tmp_path: Path) -> None:
    """Images without faces become a faces file without rows or row groups, with the whole schema."""
    step = WriteTable("faces", flatten_faces, OWN, Layout(str(tmp_path), "r1"))
    (file,) = written(tmp_path, beam.Create([annotation(1, 0, "caption", None)]), step)
    frame = pd.read_parquet(file.path)
    assert (len(frame), list(frame.columns)) == (0, [*FACES.names, "caption", "tags"])
    assert pq.read_metadata(file.path).num_row_groups == 0


def test_no_values_are_no_files(tmp_path: Path) -> None:
    """Without values the step writes no file."""
    step = WriteTable("images", flatten_images, OWN, Layout(str(tmp_path), "r1"))
    assert written(tmp_path, beam.Create([]), step) == []
    assert on_disk(tmp_path) == set()


def test_a_repeated_bundle_leaves_orphans_that_nobody_names(tmp_path: Path) -> None:
    """A repeated bundle leaves its first files on disk, but the reported files have every row once."""
    step = WriteTable("dead_letters", flatten_dead_letters, OWN, Layout(str(tmp_path), "r1"), code_of)
    letters = beam.Create(list(letters_of(range(20))))
    staged = written(tmp_path, letters, step, "--direct_runner_bundle_repeat=1")
    named = {file.path for file in staged}
    assert named < on_disk(tmp_path)
    assert len(named) == len(staged)
    ids = [image_id for path in named for image_id in pd.read_parquet(path).image_id]
    assert sorted(ids) == sorted(f"image-{number}" for number in range(20))


def test_an_output_that_cannot_be_written_ends_the_run(tmp_path: Path) -> None:
    """A file where the staging folder should be raises a RunError that names the path."""
    (tmp_path / "_staging").touch()
    step = WriteTable("images", flatten_images, pa.schema([]), Layout(str(tmp_path), "r1"))
    with pytest.raises(RunError, match=f"cannot write {tmp_path}/_staging/r1/images/.*permissions there"):
        written(tmp_path, beam.Create([annotation()]), step)


@pytest.mark.parametrize("unfit", [0, VALUES_A_ROW_GROUP], ids=["first", "last"])
def test_a_row_group_that_cannot_be_written_ends_the_run(tmp_path: Path, unfit: int) -> None:
    """RunError names the path if one of two row groups fails, although another thread writes them."""
    group = flatten_images([annotation()] * VALUES_A_ROW_GROUP, pa.schema([]))

    def flatten(annotations: Sequence[Annotation], _columns: pa.Schema) -> pa.RecordBatch:
        part = group.slice(0, len(annotations))
        return part.drop_columns(["image_id"]) if annotations[0].row == row(unfit) else part

    step = WriteTable("images", flatten, pa.schema([]), Layout(str(tmp_path), "r1"))
    one_bundle = beam.Create([VALUES_A_ROW_GROUP + 1]) | beam.FlatMap(lambda n: map(annotation, range(n)))
    with pytest.raises(RunError, match=f"cannot write {tmp_path}/_staging/r1/images/"):
        written(tmp_path, one_bundle, step)
