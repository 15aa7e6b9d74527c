"""The journal's entries, one per request: their columns, and what is packed into one value of them.

An entry is packed on its own, so that a look-up reads single entries out of a large segment:

    head (HEAD) | score and predicted error of each face, if known | points of all faces | text in UTF-8

The text of an answer is its trace id, that of a failure is JSON with the failure's fields. Points are int16
if all coordinates of the entry are whole numbers, as the service sends them, and float32 otherwise. So numpy
reads the points of many entries at once.
"""

import json
import math
import zlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from struct import Struct, pack, unpack_from
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from facebeam.schemas.errors import ErrorCode, Fate
from facebeam.schemas.image_url import is_utf8
from facebeam.schemas.landmarks import LANDMARK_COUNT
from facebeam.schemas.values import Answer, Face, Failure

JOURNAL_VERSION: Final = 4
VERSION_KEY: Final = b"facebeam.journal_version"

ENTRIES: Final = pa.schema(
    [
        pa.field("packed", pa.binary(), nullable=False),
        pa.field("image_url", pa.string(), nullable=False),
        pa.field("answered_at", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("outcome", pa.string()),
        pa.field("error_code", pa.string()),
        pa.field("source", pa.string()),
        pa.field("face_model_version", pa.string()),
        pa.field("asked_by", pa.string()),
        pa.field("key_bits", pa.int64(), nullable=False),
        pa.field("packed_bytes", pa.int32(), nullable=False),
    ],
    {VERSION_KEY: str(JOURNAL_VERSION)},
)
"""One row per result: an answer has an `outcome`, a failure an `error_code`.

The four columns after `packed` are only for people who search an image. The last five stand at the end of the
file: they are what a look-up reads of all entries, before it reads `packed` of a few.
"""
NEEDED: Final = ("packed", "source", "face_model_version", "asked_by")
"""The columns by which an entry is decoded."""

_HEAD_FIELDS: Final = (  # name, type for numpy, type for struct
    ("crc32", "<u4", "I"),  # of all that follows
    ("key", "V32", "32s"),
    ("answered_at", "<i8", "q"),  # Unix microseconds
    ("attempts", "<i4", "i"),
    ("width", "<i4", "i"),  # -1: not known
    ("height", "<i4", "i"),
    ("kind", "u1", "B"),  # the bits below
    ("faces", "<u2", "H"),
    ("text_bytes", "<u4", "I"),
)
HEAD: Final = np.dtype([(name, kind) for name, kind, _ in _HEAD_FIELDS])
_HEAD: Final = Struct("<" + "".join(code for _, _, code in _HEAD_FIELDS))
_HEAD_BYTES: Final = np.arange(HEAD.itemsize, dtype=np.int32)


_FAILURE: Final = 1
_WHOLE: Final = 2
"""The coordinates are whole numbers, stored as int16."""
_CERTAIN: Final = 4
"""Each face has two float64, score and predicted error; NaN: the source does not give it."""
_TRACED: Final = 8
"""The text is a trace id."""
_CUT_KNOWN: Final = 16
_CUT: Final = 32
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_DTYPE: Final = {True: "<i2", False: "<f4"}
"""The type of a coordinate, by whether it is a whole number."""


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
        """When the result came, or else when it was recorded. A failure's: the time of its last attempt."""
        result = self.result
        said_at = result.answered_at if isinstance(result, Answer) else result.last_attempt_at
        return said_at or self.recorded_at


def is_kept(result: Answer | Failure) -> bool:
    """Tell whether to store a result: an answer, or a reject that was sent and would come back the same."""
    return isinstance(result, Answer) or (
        result.fate is Fate.REJECT and result.was_sent and not result.depends_on_environment
    )


def encode_entries(entries: Sequence[Entry]) -> pa.Table:
    """Turn n entries into n rows of ENTRIES, in the order of their keys; coordinates keep their exact bits.

    Texts that Parquet cannot store (lone surrogates, which JSON can contain) are escaped with backslashes.
    """
    entries = sorted(entries, key=lambda entry: entry.key)
    answers = [entry.result if isinstance(entry.result, Answer) else None for entry in entries]
    points = _packed_points([answer.faces if answer else () for answer in answers])
    packed = [_pack(entry, *of_entry) for entry, of_entry in zip(entries, points, strict=True)]
    columns: dict[str, Sequence[object]] = {
        "packed": packed,
        "image_url": [_storable(entry.image_url) for entry in entries],
        "answered_at": [entry.answered_at for entry in entries],
        "outcome": [answer and answer.outcome.value for answer in answers],
        "error_code": [entry.result.code if isinstance(entry.result, Failure) else None for entry in entries],
        "source": [answer and _storable(answer.source) for answer in answers],
        "face_model_version": [answer and _storable(answer.face_model_version) for answer in answers],
        "asked_by": [entry.asked_by for entry in entries],
        "key_bits": [key_bits(entry.key) for entry in entries],
        "packed_bytes": [*map(len, packed)],
    }
    return pa.table([pa.array(columns[field.name], field.type) for field in ENTRIES], schema=ENTRIES)


def key_bits(key: bytes) -> int:
    """Give the 56 bits of a key after its bucket. Two keys of a bucket with equal bits are very unlikely."""
    return int.from_bytes(key[1:8])


def heads(packed: pa.Array | pa.ChunkedArray) -> NDArray[np.void]:
    """Give the heads of n packed entries: HEAD[n]."""
    chunks = packed.chunks if isinstance(packed, pa.ChunkedArray) else [packed]
    return np.concatenate([np.empty(0, HEAD), *map(_heads, chunks)])


def is_intact(packed: bytes) -> bool:
    """Tell whether a packed entry is what was written. Parquet's checksums cover whole columns only."""
    return len(packed) >= HEAD.itemsize and zlib.crc32(packed[4:]) == unpack_from("<I", packed)[0]


def decode_entries(entries: pa.Table) -> Iterator[tuple[bytes, Answer | Failure]]:
    """Yield each row's key and result, marked as not sent by this run.

    An answer has `from_journal` and neither attempts nor latency. A failure has `was_sent` False, but keeps
    its attempts, since its fate depends on them. Failures that this version would not store are skipped.

    Args:
        entries: a table with the columns NEEDED.
    """
    for batch in entries.to_batches():
        yield from _decoded(batch)


def _pack(entry: Entry, kind: int, points: bytes) -> bytes:
    result = entry.result
    width = height = None
    faces, body = 0, points
    if isinstance(result, Answer):
        width, height, faces = result.image_width, result.image_height, len(result.faces)
        kind |= _kind_of(result)
        if kind & _CERTAIN:
            said = (math.nan if value is None else value for value in _certainties(result))
            body = pack(f"<{2 * faces}d", *said) + points
        text = "" if result.trace_id is None else _storable(result.trace_id)
    else:
        kind, text = _FAILURE, json.dumps(_fields_of(result), ensure_ascii=False)
    tail = text.encode()
    at = _microseconds(entry.answered_at)
    head = _HEAD.pack(
        0, entry.key, at, result.attempts, _or_minus_one(width), _or_minus_one(height), kind, faces, len(tail)
    )
    checked = head[4:] + body + tail
    return pack("<I", zlib.crc32(checked)) + checked


def _kind_of(answer: Answer) -> int:
    cut = 0 if answer.faces_cut is None else _CUT_KNOWN | (_CUT if answer.faces_cut else 0)
    traced = 0 if answer.trace_id is None else _TRACED
    certain = _CERTAIN if any(value is not None for value in _certainties(answer)) else 0
    return cut | traced | certain


def _certainties(answer: Answer) -> list[float | None]:
    return [value for face in answer.faces for value in (face.score, face.predicted_error)]


def _packed_points(faces_of: Sequence[Sequence[Face]]) -> list[tuple[int, bytes]]:
    """Give the points of each entry's faces as bytes, and `_WHOLE` or 0 for a head's `kind`."""
    if not any(faces_of):
        return [(0, b"")] * len(faces_of)
    stacked = np.stack([face.points for faces in faces_of for face in faces])
    with np.errstate(invalid="ignore"):  # a coordinate that int16 cannot hold
        whole = stacked.astype(np.int16)
    # Compared bit by bit: -0.0 is not a whole number here.
    is_whole = (whole.astype(np.float32).view(np.uint32) == stacked.view(np.uint32)).all(axis=(1, 2))
    packed = []
    for start, stop in pairwise([0, *np.cumsum([*map(len, faces_of)]).tolist()]):
        fits = bool(is_whole[start:stop].all())
        points = (whole if fits else stacked)[start:stop]
        packed.append((_WHOLE if fits else 0, points.astype(_DTYPE[fits], copy=False).tobytes()))
    return packed


_TEXTS: Final = ("message", "stage", "raw_code", "upstream_code", "trace_id")


def _fields_of(failure: Failure) -> dict[str, object]:
    texts = {name: getattr(failure, name) for name in _TEXTS}
    return {
        "code": failure.code,
        "http_status": failure.http_status,
        "maybe_billed": failure.maybe_billed,
        "first_attempt_at": failure.first_attempt_at and _microseconds(failure.first_attempt_at),
        **{name: None if text is None else _storable(text) for name, text in texts.items()},
    }


def _storable(text: str) -> str:
    return str(text) if is_utf8(text) else text.encode("utf-8", "backslashreplace").decode()


def _or_minus_one(pixels: int | None) -> int:
    return -1 if pixels is None else pixels


def _or_none(pixels: int) -> int | None:
    return None if pixels < 0 else pixels


def _microseconds(at: datetime) -> int:
    return (at - _EPOCH) // _MICROSECOND


def _heads(chunk: pa.Array) -> NDArray[np.void]:
    if len(chunk) == 0:
        return np.empty(0, HEAD)
    _, offsets, data = chunk.buffers()
    starts = np.frombuffer(offsets, np.int32)[chunk.offset : chunk.offset + len(chunk)]
    at = starts[:, np.newaxis] + _HEAD_BYTES
    return np.frombuffer(data, np.uint8)[at].view(HEAD).ravel()


class _Row(NamedTuple):
    """A packed entry, and what is known of it apart from `packed`."""

    crc32: int
    key: bytes
    answered_at: int
    attempts: int
    width: int
    height: int
    kind: int
    faces: int
    text_bytes: int
    packed: bytes
    source: str
    face_model_version: str
    asked_by: str | None
    at: datetime

    @property
    def text(self) -> str:
        return self.packed[len(self.packed) - self.text_bytes :].decode()


def _decoded(batch: pa.RecordBatch) -> Iterator[tuple[bytes, Answer | Failure]]:
    found = heads(batch["packed"])
    texts = (batch[name].to_pylist() for name in NEEDED)
    rows = [_Row(*head, *rest) for head, *rest in zip(found.tolist(), *texts, _times(found), strict=True)]
    yield from _answers([row for row in rows if not row.kind & _FAILURE])
    for row in rows:
        if row.kind & _FAILURE:
            failure = _failure(row, json.loads(row.text))
            if not failure.depends_on_environment:
                yield row.key, failure


def _answers(rows: Sequence[_Row]) -> Iterator[tuple[bytes, Answer]]:
    """Unpack all points at once: numpy costs as much for one face as for a thousand."""
    fractions, whole = (
        iter(_points([row for row in rows if bool(row.kind & _WHOLE) is kind], is_whole=kind))
        for kind in (False, True)
    )
    for row in rows:
        points = islice(whole if row.kind & _WHOLE else fractions, row.faces)
        yield (
            row.key,
            Answer(
                faces=_certain_faces(points, row) if row.kind & _CERTAIN else tuple(map(Face, points)),
                image_width=_or_none(row.width),
                image_height=_or_none(row.height),
                face_model_version=row.face_model_version,
                trace_id=row.text if row.kind & _TRACED else None,
                source=row.source,
                attempts=0,
                answered_at=row.at,
                from_journal=True,
                asked_by=row.asked_by,
                faces_cut=bool(row.kind & _CUT) if row.kind & _CUT_KNOWN else None,
            ),
        )


def _points(rows: Sequence[_Row], *, is_whole: bool) -> NDArray[np.float32]:
    """Unpack the points of entries of one kind: float32[n, 90, 2] for n faces."""
    starts = (HEAD.itemsize + (16 * row.faces if row.kind & _CERTAIN else 0) for row in rows)
    joined = b"".join(
        row.packed[start : len(row.packed) - row.text_bytes] for row, start in zip(rows, starts, strict=True)
    )
    values = np.frombuffer(joined, _DTYPE[is_whole]).astype(np.float32)
    return values.reshape(-1, LANDMARK_COUNT, 2)


def _certain_faces(points: Iterator[NDArray[np.float32]], row: _Row) -> tuple[Face, ...]:
    packed = unpack_from(f"<{2 * row.faces}d", row.packed, HEAD.itemsize)
    said = [None if math.isnan(value) else value for value in packed]
    return tuple(map(Face, points, said[::2], said[1::2]))


_CODES: Final = {code.value: code for code in ErrorCode}


def _failure(row: _Row, fields: dict[str, Any]) -> Failure:
    code, raw_code = fields.pop("code"), fields.pop("raw_code")
    first = fields.pop("first_attempt_at")
    return Failure(
        _CODES.get(code, ErrorCode.OTHER),
        fields.pop("message"),
        raw_code=raw_code if code in _CODES else raw_code or code,
        was_sent=False,
        attempts=row.attempts,
        first_attempt_at=None if first is None else _EPOCH + first * _MICROSECOND,
        last_attempt_at=row.at,
        asked_by=row.asked_by,
        **fields,
    )


def _times(found: NDArray[np.void]) -> list[datetime]:
    """Give `answered_at` as datetimes in UTC, several times faster than one by one."""
    times: list[datetime] = (
        pd.DatetimeIndex(found["answered_at"].astype("M8[us]"), tz=UTC).to_pydatetime().tolist()
    )
    return times
