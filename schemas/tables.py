"""The three tables as Arrow schemas, and how a faces table becomes an array.

Each table lies in Hive-style folders; `run` and `error_code` are folder names, so they are in no file.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Final, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from facebeam.schemas.landmarks import LANDMARK_COUNT, MIRROR, OFFSETS, landmark_names

__all__ = ["BOX_COLUMNS", "COORDINATE_COLUMNS", "DEAD_LETTERS", "FACES", "IMAGES", "TABLES", "face_points"]

SCHEMA_VERSION: Final = "2"
"""2: `latency_ms` of `images` is null for an answer from the journal, where version 1 has 0."""

_WHEN = pa.timestamp("us", tz="UTC")
_IMAGE_KEY = [
    pa.field("image_id", pa.string(), nullable=False),
    pa.field("image_url", pa.string(), nullable=False),
]
_SIZE = [pa.field("image_width", pa.int32()), pa.field("image_height", pa.int32())]
_SOURCE = [
    pa.field("source", pa.string(), nullable=False),
    pa.field("face_model_version", pa.string(), nullable=False),
]

DICTIONARY_BYTES: Final = 8_192
"""A Parquet dictionary of some two thousand coordinates pays for whole numbers; fractions only outgrow it."""

BOX_COLUMNS: Final = ("box_x", "box_y", "box_width", "box_height")
"""The smallest upright rectangle around the 90 points: left, top, width, height in pixels."""

COORDINATE_COLUMNS: Final = tuple(f"{name}_{axis}" for name in landmark_names() for axis in "xy")
"""The 180 flat coordinates: `face_profile_00_x`, `face_profile_00_y`, ... `right_pupil_00_y`."""

PARTITION_COLUMNS: Final = ("run", "error_code")


def _table(name: str, fields: Iterable[pa.Field]) -> pa.Schema:
    metadata = {"facebeam.table": name, "facebeam.schema_version": SCHEMA_VERSION}
    if name == "faces":
        metadata |= {"facebeam.offsets": json.dumps(OFFSETS), "facebeam.mirror": json.dumps(MIRROR)}
    return pa.schema(list(fields), metadata)


FACES: Final = _table(
    "faces",
    [
        *_IMAGE_KEY,
        pa.field("face_index", pa.int32(), nullable=False),
        pa.field("face_count", pa.int32(), nullable=False),
        *_SIZE,
        *_SOURCE,
        *(pa.field(name, pa.float32(), nullable=False) for name in (*BOX_COLUMNS, *COORDINATE_COLUMNS)),
    ],
)
"""One row a face."""

IMAGES: Final = _table(
    "images",
    [
        *_IMAGE_KEY,
        pa.field("outcome", pa.string(), nullable=False),
        pa.field("face_count", pa.int32(), nullable=False),
        *_SIZE,
        *_SOURCE,
        pa.field("attempts", pa.int32(), nullable=False),
        pa.field("latency_ms", pa.float64()),
        pa.field("trace_id", pa.string()),
        pa.field("answered_at", _WHEN),
        pa.field("from_journal", pa.bool_(), nullable=False),
    ],
)
"""One row a manifest row that was answered."""

DEAD_LETTERS: Final = _table(
    "dead_letters",
    [
        *_IMAGE_KEY,
        pa.field("raw_code", pa.string(), nullable=False),
        pa.field("upstream_code", pa.string()),
        pa.field("http_status", pa.int32()),
        pa.field("message", pa.string(), nullable=False),
        pa.field("trace_id", pa.string()),
        pa.field("stage", pa.string(), nullable=False),
        pa.field("attempts", pa.int32(), nullable=False),
        pa.field("maybe_billed", pa.bool_(), nullable=False),
        pa.field("retryable", pa.bool_(), nullable=False),
        pa.field("first_attempt_at", _WHEN),
        pa.field("last_attempt_at", _WHEN),
    ],
)
"""One row a manifest row that was given up on; itself a manifest."""

TABLES: Final = {"faces": FACES, "images": IMAGES, "dead_letters": DEAD_LETTERS}

COLUMN_MEANINGS: Final[Mapping[str, str]] = {
    "image_id": "the manifest's name of the image, or 16 hex digits of the URL's sha256",
    "image_url": "the URL as the manifest spells it",
    "face_index": "number of the face in its image, from 0, in the order of the source",
    "face_count": "faces found in the image, at most ten",
    "image_width": "pixels of the upright image; null: the source does not say",
    "image_height": "pixels of the upright image; null: the source does not say",
    "source": "what answered: `local`, `api` or `fake`, or the name of your own source",
    "face_model_version": "version of the model that answered",
    "box_x": "left edge of the smallest upright rectangle around the 90 points, in pixels",
    "box_y": "its upper edge",
    "box_width": "its width",
    "box_height": "its height",
    "outcome": "`ok`: at least one face; `no_face`: none",
    "attempts": "how often the image was asked for, retries included; 0: nothing was sent",
    "latency_ms": "milliseconds of the last attempt, without waiting for its turn; null: from the journal",
    "trace_id": "name of the call for the service's support; null: there is none",
    "answered_at": "when the answer came; null: unknown",
    "from_journal": "whether the answer was stored already when this run asked for it",
    "raw_code": "the error code as the other side spells it",
    "upstream_code": "the code of the service's upstream; null: it named none",
    "http_status": "HTTP status of the last attempt; null: there was no answer",
    "message": "what happened, the rule, and the cure",
    "stage": "where it failed: `manifest`, `fetch`, `decode`, `annotate`, or `not_sent`",
    "maybe_billed": "whether the service may have charged for it",
    "retryable": "whether a replay can help",
    "first_attempt_at": "start of the first attempt; null: there was none",
    "last_attempt_at": "start of the last attempt; null: there was none",
}
"""Meaning, unit and null rule of every column but the coordinates."""

RESERVED_COLUMNS: Final = frozenset(name for table in TABLES.values() for name in table.names) | {
    *PARTITION_COLUMNS
}
"""Names that a manifest's own columns cannot have (but `image_url` and `image_id`, which are its key)."""


def with_manifest_columns(table: pa.Schema, columns: pa.Schema) -> pa.Schema:
    """Append the manifest's own columns to a table's."""
    return pa.schema([*table, *columns], table.metadata)


class Column(Protocol):
    """A column of pyarrow, pandas or polars."""

    def to_numpy(self) -> NDArray[np.float32]:
        """Give the values."""


class Frame(Protocol):
    """A table or batch of pyarrow, a frame of pandas or polars."""

    def __len__(self) -> int: ...

    def __getitem__(self, name: str, /) -> Column: ...


def face_points(faces: Frame) -> NDArray[np.float32]:
    """Turn a faces table into float32[n, 90, 2]: n faces, 90 landmarks, `(x, y)` in pixels.

    Takes a table or a batch of pyarrow, a frame of pandas, or one of polars.

    Raises:
        KeyError: a coordinate column is missing.
    """
    columns = [faces[name].to_numpy().astype(np.float32, copy=False) for name in COORDINATE_COLUMNS]
    return np.stack(columns, axis=1).reshape(len(faces), LANDMARK_COUNT, 2)
