"""Read entries of the journal's versions 1 to 3, which had a column for each value of a result."""

from typing import Any, Final

import numpy as np
import pyarrow as pa

from facebeam.schemas.errors import ErrorCode
from facebeam.schemas.landmarks import LANDMARK_COUNT
from facebeam.schemas.values import Answer, Face, Failure
from facebeam.transforms.journal.entries import Entry, encode_entries

_WHEN: Final = pa.timestamp("us", tz="UTC")
_VERSION_3: Final = pa.schema(
    [
        pa.field("key", pa.binary(32), nullable=False),
        pa.field("image_url", pa.string(), nullable=False),
        pa.field("outcome", pa.string()),
        pa.field("error_code", pa.string()),
        pa.field("faces", pa.list_(pa.float32())),
        pa.field("image_width", pa.int32()),
        pa.field("image_height", pa.int32()),
        pa.field("source", pa.string()),
        pa.field("face_model_version", pa.string()),
        pa.field("trace_id", pa.string()),
        pa.field("attempts", pa.int32(), nullable=False),
        pa.field("answered_at", _WHEN, nullable=False),
        pa.field("first_attempt_at", _WHEN),
        pa.field("raw_code", pa.string()),
        pa.field("upstream_code", pa.string()),
        pa.field("http_status", pa.int32()),
        pa.field("message", pa.string()),
        pa.field("stage", pa.string()),
        pa.field("maybe_billed", pa.bool_()),
        pa.field("asked_by", pa.string()),
        pa.field("faces_cut", pa.bool_()),
        pa.field("certainties", pa.list_(pa.float64())),
    ]
)
OLDER_ENTRIES: Final = (pa.schema([*_VERSION_3][:-3]), pa.schema([*_VERSION_3][:-2]), _VERSION_3)
"""As versions 1, 2 and 3 wrote them."""
_CODES: Final = {code.value: code for code in ErrorCode}


def renewed(older: pa.Table) -> pa.Table:
    """Turn n entries of an older version into n rows of ENTRIES.

    >>> renewed(OLDER_ENTRIES[0].empty_table()).num_rows
    0
    """
    return encode_entries([_entry(row) for row in older.to_pylist()])


def _entry(row: dict[str, Any]) -> Entry:
    """Read one row; columns that its version does not have give None."""
    result = _answer(row) if row["error_code"] is None else _failure(row)
    return Entry(row["key"], row["image_url"], result, row["answered_at"], row.get("asked_by"))


def _answer(row: dict[str, Any]) -> Answer:
    points = np.asarray(row["faces"], np.float32).reshape(-1, LANDMARK_COUNT, 2)
    said = row.get("certainties") or [None] * (2 * len(points))
    return Answer(
        faces=tuple(map(Face, points, said[::2], said[1::2])),
        attempts=row["attempts"],
        answered_at=row["answered_at"],
        faces_cut=row.get("faces_cut"),
        **{name: row[name] for name in _OF_ANSWERS},
    )


_OF_ANSWERS: Final = ("image_width", "image_height", "source", "face_model_version", "trace_id")


def _failure(row: dict[str, Any]) -> Failure:
    code = row["error_code"]
    raw_code = row["raw_code"] if code in _CODES else row["raw_code"] or code
    return Failure(
        _CODES.get(code, ErrorCode.OTHER),
        raw_code=raw_code,
        last_attempt_at=row["answered_at"],
        **{name: row[name] for name in _OF_FAILURES},
    )


_OF_FAILURES: Final = (
    "message",
    "stage",
    "upstream_code",
    "http_status",
    "trace_id",
    "maybe_billed",
    "attempts",
    "first_attempt_at",
)
