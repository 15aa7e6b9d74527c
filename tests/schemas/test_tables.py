"""The schemas of the tables, and the conversion of a faces table to an array."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from facebeam.schemas.landmarks import MIRROR, OFFSETS
from facebeam.schemas.tables import (
    COLUMN_MEANINGS,
    COORDINATE_COLUMNS,
    DEAD_LETTERS,
    FACES,
    IMAGES,
    RESERVED_COLUMNS,
    TABLES,
    face_points,
    manifest_columns,
    with_manifest_columns,
)


def hand_made(faces: int) -> pa.Table:
    """Make a faces table by column names alone: landmark i of face f has x = 1000 f + i and y = -x."""
    columns: dict[str, pa.Array] = {"image_id": pa.array([f"image-{f}" for f in range(faces)], pa.string())}
    for i, name in enumerate(COORDINATE_COLUMNS):
        sign = 1 if name.endswith("_x") else -1
        columns[name] = pa.array([sign * (1000 * f + i // 2) for f in range(faces)], pa.float32())
    return pa.table(columns)


def expected(faces: int) -> np.ndarray:
    """Give the points of `hand_made`."""
    x = 1000 * np.arange(faces)[:, np.newaxis] + np.arange(90)
    return np.stack([x, -x], axis=2).astype(np.float32)


def test_every_column_has_one_meaning() -> None:
    """Each column but the coordinates is described, in words that fit a cell, and nothing else is."""
    names = {name for table in TABLES.values() for name in table.names} - {*COORDINATE_COLUMNS}
    assert set(COLUMN_MEANINGS) == names
    assert all(3 < len(meaning) < 120 and "|" not in meaning for meaning in COLUMN_MEANINGS.values())
    nullable = {field.name for table in TABLES.values() for field in table if field.nullable}
    assert {name for name, meaning in COLUMN_MEANINGS.items() if "null:" in meaning} == nullable


@pytest.mark.parametrize("faces", [0, 1, 3])
def test_a_faces_table_becomes_an_array(faces: int) -> None:
    """A faces table becomes float32[n, 90, 2] with each coordinate in its place, also without faces."""
    points = face_points(hand_made(faces))
    assert points.dtype == np.float32
    assert points.shape == (faces, 90, 2)
    assert np.array_equal(points, expected(faces))


def test_a_pandas_frame_becomes_an_array(tmp_path: Path) -> None:
    """Points stay the same through a file and pandas, filtered and with columns reversed, and in chunks."""
    for part in range(2):
        pq.write_table(hand_made(3), tmp_path / f"{part}.parquet")
    frame = pd.read_parquet(tmp_path)
    chosen = frame[frame.image_id == "image-2"][frame.columns[::-1]]
    assert np.array_equal(face_points(chosen), expected(3)[[2, 2]])
    assert np.array_equal(face_points(pq.read_table(tmp_path)), np.concatenate([expected(3)] * 2))


def test_a_missing_coordinate_is_an_error() -> None:
    """A missing coordinate column raises KeyError with the column's name."""
    with pytest.raises(KeyError, match="nose_03_y"):
        face_points(hand_made(1).drop_columns("nose_03_y"))


def test_the_coordinates_are_in_the_contract_s_order() -> None:
    """The 180 coordinate columns have x before y, the profile first and the right pupil last."""
    assert len(COORDINATE_COLUMNS) == 180
    assert COORDINATE_COLUMNS[:3] == ("face_profile_00_x", "face_profile_00_y", "face_profile_01_x")
    assert COORDINATE_COLUMNS[42] == "left_eye_00_x"
    assert COORDINATE_COLUMNS[-1] == "right_pupil_00_y"
    assert tuple(FACES.names[-180:]) == COORDINATE_COLUMNS


@pytest.mark.parametrize("name", TABLES)
def test_a_file_tells_what_it_is(tmp_path: Path, name: str) -> None:
    """A written file has the table's name and version as metadata, and key columns that are never null."""
    pq.write_table(TABLES[name].empty_table(), tmp_path / "a.parquet")
    schema = pq.read_schema(tmp_path / "a.parquet")
    assert schema.metadata[b"facebeam.table"] == name.encode()
    assert schema.metadata[b"facebeam.schema_version"] == b"2"
    assert schema.equals(TABLES[name], check_metadata=True)
    assert schema.names[:2] == ["image_id", "image_url"]
    assert not any(schema.field(i).nullable for i in range(2))


def test_a_faces_file_explains_its_points() -> None:
    """Only the faces table has region offsets and the mirror permutation in its metadata."""
    assert json.loads(FACES.metadata[b"facebeam.offsets"]) == OFFSETS
    assert json.loads(FACES.metadata[b"facebeam.mirror"]) == list(MIRROR)
    assert b"facebeam.offsets" not in IMAGES.metadata.keys() | DEAD_LETTERS.metadata.keys()


@pytest.mark.parametrize(
    "name", ["run", "error_code", "face_index", "box_x", "mouth_21_y", "outcome", "message", "trace_id"]
)
def test_names_of_the_output_are_reserved(name: str) -> None:
    """The column names of all tables and the names of partition folders are reserved."""
    assert name in RESERVED_COLUMNS


def test_manifest_columns_come_last() -> None:
    """The manifest's own columns follow the table's columns, and the table's metadata stays as it is."""
    own = pa.schema([pa.field("caption", pa.string()), pa.field("tags", pa.list_(pa.string()))])
    schema = with_manifest_columns(IMAGES, own)
    assert schema.names == [*IMAGES.names, "caption", "tags"]
    assert schema.field("tags").type == pa.list_(pa.string())
    assert schema.metadata == IMAGES.metadata


@pytest.mark.parametrize("names", [[], ["caption", "n"], ["faces_cut", "score"]])
def test_own_columns_are_found_again(names: list[str]) -> None:
    """The own columns of a table's file are those of its manifest, also in place of one of ours."""
    own = pa.schema([(name, pa.string()) for name in names])
    assert manifest_columns(with_manifest_columns(IMAGES, own), IMAGES).equals(own)
