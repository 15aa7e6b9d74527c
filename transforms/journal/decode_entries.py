"""A table as results: the journal's way out, in bulk, since a rerun reads every answer it ever got."""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from schemas.errors import ErrorCode
from schemas.landmarks import LANDMARK_COUNT
from schemas.values import Answer, Face, Failure

_CODES: Final = {code.value: code for code in ErrorCode}


def decode_entries(entries: pa.Table) -> Iterator[tuple[bytes, Answer | Failure]]:
    """Yield each row's key and result, answers first, as results that this run has not paid for.

    An answer has `from_journal`, no attempts and no latency. A failure was not sent, but keeps its attempts:
    its fate depends on them. Failures that earlier versions kept, and this one would not, are left out.
    """
    is_answer = entries["error_code"].is_null()
    if pc.all(is_answer).as_py():  # as mostly; a filter copies every face
        yield from _answers(entries)
    else:
        yield from _answers(entries.filter(is_answer))
        for key, failure in _failures(entries.filter(pc.invert(is_answer))):
            if not failure.is_mended_elsewhere:
                yield key, failure


def _answers(entries: pa.Table) -> Iterator[tuple[bytes, Answer]]:
    texts = ("source", "face_model_version", "trace_id", "asked_by")
    sizes = ("image_width", "image_height")
    columns = zip(
        *(entries[name].to_pylist() for name in ("key", *sizes, *texts)),
        _faces(entries["faces"]),
        _times(entries["answered_at"]),
        strict=True,
    )
    for key, width, height, source, version, trace_id, by, faces, at in columns:
        said = faces, width, height, source, version, trace_id
        yield key, Answer(*said, 0, 0.0, at, from_journal=True, asked_by=by)


def _faces(column: pa.ChunkedArray) -> Iterator[tuple[Face, ...]]:
    """Cut the flat points into images and faces; the arrays are views, nothing is copied."""
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
                row["stage"],
                row["raw_code"] if code in _CODES else row["raw_code"] or code,
                row["upstream_code"],
                row["http_status"],
                row["trace_id"],
                row["maybe_billed"],
                was_sent=False,
                attempts=row["attempts"],
                first_attempt_at=times["first_attempt_at"][i],
                last_attempt_at=times["answered_at"][i],
                asked_by=row["asked_by"],
            ),
        )


def _times(column: pa.ChunkedArray) -> list[datetime | None]:
    """Give datetimes in UTC; several times faster than Arrow, which looks the zone up for each value."""
    times = pd.DatetimeIndex(column.to_numpy(), tz=UTC).to_pydatetime()
    return [None if at is pd.NaT else at for at in times]
