"""Values become rows: one row per face, per answer or per dead letter, with the manifest's own columns."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest

from facebeam.schemas.errors import ErrorCode
from facebeam.schemas.tables import (
    DEAD_LETTERS,
    FACES,
    IMAGES,
    POSE_COLUMNS,
    face_points,
    with_manifest_columns,
)
from facebeam.schemas.values import Annotation, DeadLetter, Face, Failure
from facebeam.transforms.steps.flatten import flatten_dead_letters, flatten_faces, flatten_images
from tests.helpers.values import ANSWER, WHEN, annotation, dead_letter, face, row

NO_COLUMNS = pa.schema([])

OWN_COLUMNS = [
    (pa.null(), None),
    (pa.bool_(), False),
    (pa.int8(), -128),
    (pa.uint64(), 2**64 - 1),
    (pa.float32(), 1.5),
    (pa.float64(), float("inf")),
    (pa.string(), "größe\x00\n"),
    (pa.large_string(), ""),
    (pa.binary(), b"\x00\xff"),
    (pa.binary(2), b"ab"),
    (pa.date32(), date(1, 1, 1)),
    (pa.time64("us"), time(23, 59, 59, 999999)),
    (pa.timestamp("s"), datetime(1969, 7, 20)),  # noqa: DTZ001 - a timestamp without a zone
    (pa.timestamp("us", tz="Asia/Tokyo"), datetime(2030, 1, 2, tzinfo=UTC)),
    (pa.duration("ms"), timedelta(days=-1)),
    (pa.decimal128(9, 2), Decimal("-1.25")),
    (pa.list_(pa.int32()), [1, None]),
    (pa.list_(pa.float32(), 2), [0.5, 1.0]),
    (pa.struct([("x", pa.int64()), ("y", pa.list_(pa.string()))]), {"x": 1, "y": ["z", None]}),
    (pa.map_(pa.string(), pa.int64()), [("k", 1)]),
]


def checked(batch: pa.RecordBatch, table: pa.Schema, columns: pa.Schema = NO_COLUMNS) -> pa.RecordBatch:
    """Check a batch for the table's schema, sound columns and nulls only where allowed; give the batch."""
    batch.validate(full=True)
    assert batch.schema.equals(with_manifest_columns(table, columns), check_metadata=True)
    for field, column in zip(batch.schema, batch.columns, strict=True):
        assert field.nullable or column.null_count == 0, field.name
    return batch


def test_each_face_is_a_row() -> None:
    """Each face of an image becomes a row, numbered from 0, with the image's id, URL and size."""
    batch = checked(flatten_faces([annotation(1, 2), annotation(2, 0), annotation(3, 1)], NO_COLUMNS), FACES)
    rows = batch.select(["image_id", "image_url", "face_index", "face_count", "image_width"]).to_pylist()
    assert [tuple(each.values()) for each in rows] == [
        ("image-1", "https://example.com/1.jpg", 0, 2, 640),
        ("image-1", "https://example.com/1.jpg", 1, 2, 640),
        ("image-3", "https://example.com/3.jpg", 0, 1, 640),
    ]
    points = face_points(pa.Table.from_batches([batch]))
    assert np.array_equal(points, [face(0, 1).points, face(100, 1).points, face(0, 3).points])
    assert {"image_height": 480, "source": "fake", "face_model_version": "fake-1"}.items() <= (
        batch.to_pylist()[0].items()
    )


def test_a_face_has_its_certainty_and_its_pose() -> None:
    """Score and predicted error are the source's, or null; the pose is that of the points, for any source."""
    points = face(10, 20).points
    faces = (Face(points, 0.75, 2.5), Face(points))
    batch = checked(flatten_faces([Annotation(row(), replace(ANSWER, faces=faces))], NO_COLUMNS), FACES)
    sure, unsaid = batch.select(["score", "predicted_error", *POSE_COLUMNS]).to_pylist()
    assert (sure.pop("score"), sure.pop("predicted_error")) == (0.75, 2.5)
    assert (unsaid.pop("score"), unsaid.pop("predicted_error")) == (None, None)
    assert sure == unsaid


def test_the_box_is_the_smallest_around_the_points() -> None:
    """The box is left, top, width and height around all 90 points, with negative values outside the image."""
    points = face(10, 20).points
    points[3], points[4] = (-7.5, 300), (150, -2)
    answer = replace(ANSWER, faces=(Face(points),))
    batch = checked(flatten_faces([Annotation(row(), answer)], NO_COLUMNS), FACES)
    (box,) = batch.select(["box_x", "box_y", "box_width", "box_height"]).to_pylist()
    assert list(box.values()) == [-7.5, -2, 157.5, 302]


@pytest.mark.parametrize("annotations", [[], [annotation(faces=0)]])
def test_no_faces_are_no_rows(annotations: Sequence[Annotation]) -> None:
    """Without annotations, or without faces, the batch has no rows but the whole schema."""
    assert checked(flatten_faces(annotations, NO_COLUMNS), FACES).num_rows == 0


def test_each_answer_is_a_row() -> None:
    """Each answer becomes a row with outcome, face count and details; what the source omits is null."""
    bare = Annotation(row(2), replace(ANSWER, image_width=None, image_height=None, from_journal=True))
    batch = checked(flatten_images([annotation(1, 2), bare], NO_COLUMNS), IMAGES)
    first, second = batch.to_pylist()
    assert first == {
        "image_id": "image-1",
        "image_url": "https://example.com/1.jpg",
        "outcome": "ok",
        "face_count": 2,
        "image_width": 640,
        "image_height": 480,
        "source": "fake",
        "face_model_version": "fake-1",
        "faces_cut": None,
        "attempts": 2,
        "latency_ms": 12.5,
        "trace_id": "trace",
        "answered_at": WHEN,
        "from_journal": False,
    }
    assert (second["outcome"], second["face_count"], second["from_journal"]) == ("no_face", 0, True)
    unknown = ("image_width", "image_height", "trace_id", "answered_at", "latency_ms")
    assert [second[name] for name in unknown] == [None] * 5


def test_each_dead_letter_is_a_row() -> None:
    """Each dead letter becomes a row with everything known of the failure.

    The error code is the name of the folder, not a column; it is also the default of `raw_code`.
    """
    known = Failure(
        ErrorCode.OTHER,
        "why",
        stage="annotate",
        raw_code="Odd.Code",
        upstream_code="Up.Code",
        http_status=418,
        trace_id="trace",
        maybe_billed=True,
        attempts=2,
        first_attempt_at=WHEN,
        last_attempt_at=WHEN + timedelta(seconds=1),
    )
    letters = [DeadLetter(row(1), known), dead_letter(2), dead_letter(3, ErrorCode.NOT_FOUND)]
    first, *others = checked(flatten_dead_letters(letters, NO_COLUMNS), DEAD_LETTERS).to_pylist()
    assert first == {
        "image_id": "image-1",
        "image_url": "https://example.com/1.jpg",
        "raw_code": "Odd.Code",
        "upstream_code": "Up.Code",
        "http_status": 418,
        "message": "why",
        "trace_id": "trace",
        "stage": "annotate",
        "attempts": 2,
        "maybe_billed": True,
        "retryable": False,
        "first_attempt_at": WHEN,
        "last_attempt_at": WHEN + timedelta(seconds=1),
    }
    assert [(each["raw_code"], each["retryable"]) for each in others] == [
        ("timeout", True),
        ("not_found", False),
    ]


@pytest.mark.parametrize(("kind", "value"), OWN_COLUMNS, ids=lambda each: str(each)[:20])
def test_own_columns_of_any_type_pass_through(kind: pa.DataType, value: object) -> None:
    """Own columns of any type, nulls included, come last in every table and repeat for each face."""
    columns = pa.schema([pa.field("own", kind), pa.field("n", pa.int64())])
    answered = [annotation(1, 2, value, 1), annotation(2, 1, None, 2)]
    letters = [dead_letter(1, ErrorCode.OTHER, value, 1), dead_letter(2, ErrorCode.OTHER, None, 2)]
    tables = [
        (checked(flatten_faces(answered, columns), FACES, columns), [value, value, None], [1, 1, 2]),
        (checked(flatten_images(answered, columns), IMAGES, columns), [value, None], [1, 2]),
        (checked(flatten_dead_letters(letters, columns), DEAD_LETTERS, columns), [value, None], [1, 2]),
    ]
    for batch, values, numbers in tables:
        assert batch["own"].to_pylist() == values
        assert batch["n"].to_pylist() == numbers
