"""Rows, answers and failures for tests."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np

from facebeam.schemas.errors import ErrorCode
from facebeam.schemas.landmarks import LANDMARK_COUNT
from facebeam.schemas.values import Annotation, Answer, DeadLetter, Face, Failure, ManifestRow

WHEN = datetime(2030, 1, 2, 3, 4, 5, 678901, UTC)
ANSWER = Answer(faces=(), image_width=640, image_height=480, face_model_version="fake-1", source="fake")


def row(number: int = 0, *columns: object) -> ManifestRow:
    """Make a manifest row."""
    return ManifestRow(f"https://example.com/{number}.jpg", f"image-{number}", columns)


def face(left: float = 0, top: float = 0) -> Face:
    """Make a face whose landmarks lie on a line, from (left, top) to (left + 89, top + 178)."""
    steps = np.arange(LANDMARK_COUNT, dtype=np.float32)
    return Face(np.stack([left + steps, top + 2 * steps], axis=1).astype(np.float32))


def annotation(number: int = 0, faces: int = 1, *columns: object) -> Annotation:
    """Make an answered row; face i begins at (100 * i, number)."""
    found = tuple(face(100 * i, number) for i in range(faces))
    asked = replace(ANSWER, faces=found, trace_id="trace", attempts=2, latency_ms=12.5, answered_at=WHEN)
    return Annotation(row(number, *columns), asked)


def dead_letter(number: int = 0, code: ErrorCode = ErrorCode.TIMEOUT, *columns: object) -> DeadLetter:
    """Make the dead letter of a row that failed after four attempts."""
    return DeadLetter(row(number, *columns), Failure(code, f"why {number}", stage="fetch", attempts=4))
