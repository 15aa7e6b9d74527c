"""Flatten values into the rows of the three tables: a list of values becomes one record batch.

`columns` is everywhere the Arrow schema of the manifest's own columns, which come last in every table.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from schemas.errors import Fate
from schemas.landmarks import LANDMARK_COUNT
from schemas.tables import (
    BOX_COLUMNS,
    COORDINATE_COLUMNS,
    DEAD_LETTERS,
    FACES,
    IMAGES,
    with_manifest_columns,
)
from schemas.values import Annotation, DeadLetter, Face, ManifestRow

Columns = Mapping[str, Sequence[object] | NDArray[np.float32]]


def flatten_faces(annotations: Sequence[Annotation], columns: pa.Schema) -> pa.RecordBatch:
    """Flatten the faces of annotations into rows of `faces`, one row a face.

    Shape: n annotations with f faces in all -> f rows of 14 + 180 columns and the manifest's own.
    """
    faces = [(annotation, i) for annotation in annotations for i in range(len(annotation.answer.faces))]
    values: Columns = {
        "face_index": [i for _, i in faces],
        "face_count": [len(annotation.answer.faces) for annotation, _ in faces],
        **_answered(annotation for annotation, _ in faces),
        **_coordinates([annotation.answer.faces[i] for annotation, i in faces]),
    }
    return _batch(FACES, [annotation.row for annotation, _ in faces], values, columns)


def flatten_images(annotations: Sequence[Annotation], columns: pa.Schema) -> pa.RecordBatch:
    """Flatten annotations into rows of `images`, one row a manifest row that was answered."""
    answers = [annotation.answer for annotation in annotations]
    values: Columns = {
        "outcome": [answer.outcome.value for answer in answers],
        "face_count": [len(answer.faces) for answer in answers],
        **_answered(annotations),
        "attempts": [answer.attempts for answer in answers],
        "latency_ms": [answer.latency_ms for answer in answers],
        "trace_id": [answer.trace_id for answer in answers],
        "answered_at": [answer.answered_at for answer in answers],
        "from_journal": [answer.from_journal for answer in answers],
    }
    return _batch(IMAGES, [annotation.row for annotation in annotations], values, columns)


def flatten_dead_letters(letters: Sequence[DeadLetter], columns: pa.Schema) -> pa.RecordBatch:
    """Flatten dead letters into rows of `dead_letters`; the error code is the folder's name."""
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


def _answered(annotations: Iterable[Annotation]) -> Columns:
    """Give the columns that `faces` and `images` share."""
    answers = [annotation.answer for annotation in annotations]
    return {
        "image_width": [answer.image_width for answer in answers],
        "image_height": [answer.image_height for answer in answers],
        "source": [answer.source for answer in answers],
        "face_model_version": [answer.face_model_version for answer in answers],
    }


def _coordinates(faces: Sequence[Face]) -> Columns:
    """Give box and coordinates: f faces -> 4 + 180 columns of float32[f]."""
    points = (
        np.stack([face.points for face in faces]) if faces else np.empty((0, LANDMARK_COUNT, 2), np.float32)
    )
    low, high = points.min(axis=1), points.max(axis=1)
    box = np.concatenate([low, high - low], axis=1)
    flat = np.concatenate([box, points.reshape(len(faces), len(COORDINATE_COLUMNS))], axis=1)
    return dict(zip((*BOX_COLUMNS, *COORDINATE_COLUMNS), np.ascontiguousarray(flat.T), strict=True))


def _batch(
    table: pa.Schema, rows: Sequence[ManifestRow], values: Columns, columns: pa.Schema
) -> pa.RecordBatch:
    """Put a table's values and the manifest's own columns together in the order of the schema."""
    key = {"image_id": [row.image_id for row in rows], "image_url": [row.image_url for row in rows]}
    own = {name: [row.columns[i] for row in rows] for i, name in enumerate(columns.names)}
    schema = with_manifest_columns(table, columns)
    everything = {**key, **values, **own}
    return pa.record_batch(
        [pa.array(everything[field.name], field.type) for field in schema],
        schema=schema,
    )
