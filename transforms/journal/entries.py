"""The journal's entries, one per request: their columns, and how to encode and decode them."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Final, NamedTuple, TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from facebeam.schemas.errors import ErrorCode, Fate
from facebeam.schemas.image_url import is_utf8
from facebeam.schemas.landmarks import LANDMARK_COUNT
from facebeam.schemas.values import Answer, Face, Failure

JOURNAL_VERSION: Final = 3
VERSION_KEY: Final = b"facebeam.journal_version"
_WHEN: Final = pa.timestamp("us", tz="UTC")

ENTRIES: Final = pa.schema(
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
    ],
    {VERSION_KEY: str(JOURNAL_VERSION)},
)
"""One row per result: an answer has an `outcome`, a failure an `error_code`. `faces`: 180 numbers per face.

`certainties`: score and predicted error of each face, null where the source does not give one; empty where it
gives none.

A failure's `answered_at` is the time of its last attempt. The URL is only for people who search an image; the
journal itself searches by key.
"""

OLDER_ENTRIES: Final = (pa.schema([*ENTRIES][:-3]), pa.schema([*ENTRIES][:-2]))
"""As versions 1 and 2 wrote them: later columns are without values there."""


class Entry(NamedTuple):
    """One result to write into the journal."""

    key: bytes
    image_url: str
    result: Answer | Failure
    recorded_at: datetime
    asked_by: str | None = None
    """The run, and the try of it, that sent the request: `AskedBy.tag`."""

    @property
    def answered_at(self) -> datetime:
        """When the result came, or else when it was recorded."""
        result = self.result
        said_at = result.answered_at if isinstance(result, Answer) else result.last_attempt_at
        return said_at or self.recorded_at


def is_kept(result: Answer | Failure) -> bool:
    """Tell whether to store a result: an answer, or a reject that was sent and would come back the same."""
    return isinstance(result, Answer) or (
        result.fate is Fate.REJECT and result.was_sent and not result.is_mended_elsewhere
    )


Value = TypeVar("Value")
_NO_FLOATS: Final = np.empty(0, np.float32)


def encode_entries(entries: Sequence[Entry]) -> pa.Table:
    """Turn n entries into n rows of ENTRIES; coordinates keep their exact bits.

    Texts that Parquet cannot store (lone surrogates, which JSON can contain) are escaped with backslashes.
    """
    answers = [entry.result if isinstance(entry.result, Answer) else None for entry in entries]
    failures = [entry.result if isinstance(entry.result, Failure) else None for entry in entries]
    columns = {
        "key": [entry.key for entry in entries],
        "image_url": [entry.image_url for entry in entries],
        "trace_id": [entry.result.trace_id for entry in entries],
        "attempts": [entry.result.attempts for entry in entries],
        "answered_at": [entry.answered_at for entry in entries],
        "faces": _faces_column(answers),
        "certainties": [answer and _certainties_of(answer) for answer in answers],
        **{name: _fields(answers, name) for name in _OF_ANSWERS},
        **{name: _fields(failures, name) for name in _OF_FAILURES},
        "error_code": _fields(failures, "code"),
        "asked_by": [entry.asked_by for entry in entries],
    }
    return pa.table([_column(columns[field.name], field) for field in ENTRIES], schema=ENTRIES)


_OF_ANSWERS: Final = ("outcome", "image_width", "image_height", "source", "face_model_version", "faces_cut")
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


def _faces_column(answers: Sequence[Answer | None]) -> pa.Array:
    """Join the points of all faces of an answer: null for a failure, empty for an answer without faces."""
    points = [face.points for answer in answers if answer for face in answer.faces]
    lengths = [sum(face.points.size for face in answer.faces) if answer else 0 for answer in answers]
    return pa.ListArray.from_arrays(
        pa.array(np.cumsum([0, *lengths]), pa.int32()),
        pa.array(np.concatenate(points).ravel() if points else _NO_FLOATS),
        mask=pa.array([answer is None for answer in answers]),
    )


def _certainties_of(answer: Answer) -> list[float | None]:
    said = [value for face in answer.faces for value in (face.score, face.predicted_error)]
    return said if any(value is not None for value in said) else []


_CODES: Final = {code.value: code for code in ErrorCode}


def decode_entries(entries: pa.Table) -> Iterator[tuple[bytes, Answer | Failure]]:
    """Yield each row's key and result, answers first, marked as not sent by this run.

    An answer has `from_journal` and neither attempts nor latency. A failure has `was_sent` False, but keeps
    its attempts, since its fate depends on them. Failures that this version would not store are skipped.
    """
    is_answer = entries["error_code"].is_null()
    if pc.all(is_answer).as_py():  # the usual case; a filter would copy every face
        yield from _answers(entries)
    else:
        yield from _answers(entries.filter(is_answer))
        for key, failure in _failures(entries.filter(pc.invert(is_answer))):
            if not failure.is_mended_elsewhere:
                yield key, failure


def _answers(entries: pa.Table) -> Iterator[tuple[bytes, Answer]]:
    texts = ("source", "face_model_version", "trace_id", "asked_by")
    others = ("image_width", "image_height", "faces_cut", "certainties")
    columns = zip(
        *(entries[name].to_pylist() for name in ("key", *others, *texts)),
        _faces(entries["faces"]),
        _times(entries["answered_at"]),
        strict=True,
    )
    for key, width, height, cut, certainties, source, version, trace_id, by, faces, at in columns:
        yield (
            key,
            Answer(
                faces=_with_certainties(faces, certainties or []),
                image_width=width,
                image_height=height,
                face_model_version=version,
                trace_id=trace_id,
                source=source,
                attempts=0,
                answered_at=at,
                from_journal=True,
                asked_by=by,
                faces_cut=cut,
            ),
        )


def _with_certainties(faces: tuple[Face, ...], certainties: list[float | None]) -> tuple[Face, ...]:
    if not certainties:
        return faces
    pairs = zip(faces, certainties[::2], certainties[1::2], strict=True)
    return tuple(Face(face.points, score, error) for face, score, error in pairs)


def _faces(column: pa.ChunkedArray) -> Iterator[tuple[Face, ...]]:
    """Split the points into images and faces; the arrays are views, without a copy."""
    points = pc.list_flatten(column).to_numpy().reshape(-1, LANDMARK_COUNT, 2)
    counts = pc.list_value_length(column).to_numpy() // (2 * LANDMARK_COUNT)
    faces = [*map(Face, points)]
    for start, stop in pairwise([0, *np.cumsum(counts).tolist()]):
        yield tuple(faces[start:stop])


def _failures(entries: pa.Table) -> Iterator[tuple[bytes, Failure]]:
    times = {name: _times(entries[name]) for name in ("first_attempt_at", "answered_at")}
    for i, row in enumerate(entries.drop_columns([*times, "faces"]).to_pylist()):
        code = row["error_code"]
        yield (
            row["key"],
            Failure(
                _CODES.get(code, ErrorCode.OTHER),
                row["message"],
                stage=row["stage"],
                raw_code=row["raw_code"] if code in _CODES else row["raw_code"] or code,
                upstream_code=row["upstream_code"],
                http_status=row["http_status"],
                trace_id=row["trace_id"],
                maybe_billed=row["maybe_billed"],
                was_sent=False,
                attempts=row["attempts"],
                first_attempt_at=times["first_attempt_at"][i],
                last_attempt_at=times["answered_at"][i],
                asked_by=row["asked_by"],
            ),
        )


def _times(column: pa.ChunkedArray) -> list[datetime | None]:
    """Give datetimes in UTC, several times faster than Arrow, which looks up the zone for each value."""
    times = pd.DatetimeIndex(column.to_numpy(), tz=UTC).to_pydatetime()
    return [None if at is pd.NaT else at for at in times]
