"""Results as a table: the journal's way in."""

from collections.abc import Sequence
from typing import Final, TypeVar

import numpy as np
import pyarrow as pa

from schemas.image_url import is_utf8
from schemas.values import Answer, Failure
from transforms.journal.entries import ENTRIES, Entry

Value = TypeVar("Value")
_NO_FLOATS: Final = np.empty(0, np.float32)


def encode_entries(entries: Sequence[Entry]) -> pa.Table:
    """Turn n entries into n rows of ENTRIES; coordinates keep their exact bits.

    Texts that Parquet cannot hold (lone surrogates, which JSON can spell) are escaped with backslashes.
    """
    answers = [entry.result if isinstance(entry.result, Answer) else None for entry in entries]
    failures = [entry.result if isinstance(entry.result, Failure) else None for entry in entries]
    columns = {
        "key": [entry.key for entry in entries],
        "image_url": [entry.image_url for entry in entries],
        "trace_id": [entry.result.trace_id for entry in entries],
        "attempts": [entry.result.attempts for entry in entries],
        "answered_at": [entry.answered_at for entry in entries],
        "faces": _faces(answers),
        **{name: _fields(answers, name) for name in _OF_ANSWERS},
        **{name: _fields(failures, name) for name in _OF_FAILURES},
        "error_code": _fields(failures, "code"),
        "asked_by": [entry.asked_by for entry in entries],
    }
    return pa.table([_column(columns[field.name], field) for field in ENTRIES], schema=ENTRIES)


_OF_ANSWERS: Final = ("outcome", "image_width", "image_height", "source", "face_model_version")
_OF_FAILURES: Final = (
    "first_attempt_at",
    "raw_code",
    "upstream_code",
    "http_status",
    "message",
    "stage",
    "maybe_billed",
)


def _fields(results: Sequence[Answer | Failure | None], name: str) -> list[object]:
    return [None if result is None else getattr(result, name) for result in results]


def _column(values: Sequence[object] | pa.Array, field: pa.Field) -> pa.Array:
    if isinstance(values, pa.Array):
        return values
    return pa.array(
        [_storable(value) for value in values] if field.type == pa.string() else values, field.type
    )


def _storable(value: object) -> object:
    if not isinstance(value, str):
        return value
    return str(value) if is_utf8(value) else value.encode("utf-8", "backslashreplace").decode()


def _faces(answers: Sequence[Answer | None]) -> pa.Array:
    """Lay the points of all faces end to end: null for a failure, empty for an answer without faces."""
    points = [face.points for answer in answers if answer for face in answer.faces]
    lengths = [sum(face.points.size for face in answer.faces) if answer else 0 for answer in answers]
    return pa.ListArray.from_arrays(
        pa.array(np.cumsum([0, *lengths]), pa.int32()),
        pa.array(np.concatenate(points).ravel() if points else _NO_FLOATS),
        mask=pa.array([answer is None for answer in answers]),
    )
