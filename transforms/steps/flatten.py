"""Flatten annotations and dead letters into rows of the three tables: each list becomes one record batch.

In all functions, `columns` is the Arrow schema of the manifest's own columns. They are the last columns of
every table.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from facebeam.schemas.errors import Fate
from facebeam.schemas.landmarks import LANDMARK_COUNT
from facebeam.schemas.tables import (
    BOX_COLUMNS,
    COORDINATE_COLUMNS,
    DEAD_LETTERS,
    FACES,
    IMAGES,
    POSE_COLUMNS,
    with_manifest_columns,
)
from facebeam.schemas.values import Annotation, Answer, DeadLetter, Face, ManifestRow
from facebeam.transforms.steps.head_pose import head_pose

__all__ = ["flatten_dead_letters", "flatten_faces", "flatten_images"]

_NO_POINTS: Final = np.empty((0, 2), np.float32)

Columns = Mapping[str, Sequence[object] | NDArray[np.float32]]


def flatten_faces(annotations: Sequence[Annotation], columns: pa.Schema) -> pa.RecordBatch:
    """Flatten the faces of annotations into rows of `faces`, one row per face.

    Shape: n annotations with f faces in all -> f rows of 19 + 180 columns and the manifest's own columns.
    """
    found = [annotation for annotation in annotations for _ in annotation.answer.faces]
    answers = [annotation.answer for annotation in found]
    faces = [face for annotation in annotations for face in annotation.answer.faces]
    values: Columns = {
        "face_index": [i for annotation in annotations for i in range(len(annotation.answer.faces))],
        "face_count": [len(answer.faces) for answer in answers],
        **_answered(answers),
        "score": [face.score for face in faces],
        "predicted_error": [face.predicted_error for face in faces],
        **_coordinates(faces),
    }
    return _batch(FACES, [annotation.row for annotation in found], values, columns)


def flatten_images(annotations: Sequence[Annotation], columns: pa.Schema) -> pa.RecordBatch:
    """Flatten annotations into rows of `images`, one row per manifest row with an answer."""
    answers = [annotation.answer for annotation in annotations]
    values: Columns = {
        "outcome": [answer.outcome for answer in answers],
        "face_count": [len(answer.faces) for answer in answers],
        **_answered(answers),
        "faces_cut": [answer.faces_cut for answer in answers],
        "attempts": [answer.attempts for answer in answers],
        "latency_ms": [answer.latency_ms for answer in answers],
        "trace_id": [answer.trace_id for answer in answers],
        "answered_at": [answer.answered_at for answer in answers],
        "from_journal": [answer.from_journal for answer in answers],
    }
    return _batch(IMAGES, [annotation.row for annotation in annotations], values, columns)


def flatten_dead_letters(letters: Sequence[DeadLetter], columns: pa.Schema) -> pa.RecordBatch:
    """Flatten dead letters into rows of `dead_letters`; the folder of the file names the error code."""
    failures = [letter.failure for letter in letters]
    values: Columns = {
        "raw_code": [failure.raw_code or failure.code.value for failure in failures],
        "upstream_code": [failure.upstream_code for failure in failures],
        "http_status": [failure.http_status for failure in failures],
        "message": [failure.message for failure in failures],
        "trace_id": [failure.trace_id for failure in failures],
        "stage": [failure.stage for failure in failures],
        "attempts": [failure.attempts for failure in failures],
        "maybe_billed": [failure.maybe_billed for failure in failures],
        "retryable": [failure.fate is not Fate.REJECT for failure in failures],
        "first_attempt_at": [failure.first_attempt_at for failure in failures],
        "last_attempt_at": [failure.last_attempt_at for failure in failures],
    }
    return _batch(DEAD_LETTERS, [letter.row for letter in letters], values, columns)


def _answered(answers: Sequence[Answer]) -> Columns:
    """Give the columns that `faces` and `images` share."""
    return {
        "image_width": [answer.image_width for answer in answers],
        "image_height": [answer.image_height for answer in answers],
        "source": [answer.source for answer in answers],
        "face_model_version": [answer.face_model_version for answer in answers],
    }


def _coordinates(faces: Sequence[Face]) -> Columns:
    """Give pose, box and coordinates: f faces -> 3 + 4 + 180 columns of float32[f]."""
    points = np.concatenate([_NO_POINTS, *(face.points for face in faces)])
    # Each column becomes contiguous: minima over strided values take ten times as long.
    flat = np.ascontiguousarray(points.reshape(len(faces), len(COORDINATE_COLUMNS)).T)
    axes = flat.reshape(LANDMARK_COUNT, 2, len(faces))
    low, high = axes.min(axis=0), axes.max(axis=0)
    pose = head_pose(points.reshape(len(faces), LANDMARK_COUNT, 2)).T
    names = (*POSE_COLUMNS, *BOX_COLUMNS, *COORDINATE_COLUMNS)
    return dict(zip(names, (*pose, *low, *(high - low), *flat), strict=True))


def _batch(
    table: pa.Schema, rows: Sequence[ManifestRow], values: Columns, columns: pa.Schema
) -> pa.RecordBatch:
    """Put a table's values and the manifest's own columns together, in the order of the schema."""
    key = {"image_id": [row.image_id for row in rows], "image_url": [row.image_url for row in rows]}
    own = {name: [row.columns[i] for row in rows] for i, name in enumerate(columns.names)}
    schema = with_manifest_columns(table, columns)
    everything = {**key, **values, **own}
    return pa.record_batch(
        [pa.array(everything[field.name], field.type) for field in schema],
        schema=schema,
    )
