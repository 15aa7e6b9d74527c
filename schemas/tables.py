"""The Arrow schemas of the three tables, and `face_points`, which turns a faces table into an array.

Each table is stored in Hive-style folders: `run` and `error_code` are names of folders, not columns of a
file.
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
"""In version 2, `latency_ms` of `images` is null for an answer from the journal; in version 1 it is 0."""

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
"""Limit of a Parquet dictionary.

About 2,000 different numbers fit. Whole numbers repeat, so a dictionary saves space; fractions rarely
repeat."""

BOX_COLUMNS: Final = ("box_x", "box_y", "box_width", "box_height")
"""The smallest upright rectangle around the 90 points: left, top, width, height in pixels."""

COORDINATE_COLUMNS: Final = tuple(f"{name}_{axis}" for name in landmark_names() for axis in "xy")
"""The 180 columns of coordinates: `face_profile_00_x`, `face_profile_00_y`, ... `right_pupil_00_y`."""

POSE_COLUMNS: Final = ("yaw_deg", "pitch_deg", "roll_deg")
"""Angles of the head, computed from the 90 points."""

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
        pa.field("score", pa.float32()),
        pa.field("predicted_error", pa.float32()),
        *(
            pa.field(name, pa.float32(), nullable=False)
            for name in (*POSE_COLUMNS, *BOX_COLUMNS, *COORDINATE_COLUMNS)
        ),
    ],
)
"""One row per face."""

IMAGES: Final = _table(
    "images",
    [
        *_IMAGE_KEY,
        pa.field("outcome", pa.string(), nullable=False),
        pa.field("face_count", pa.int32(), nullable=False),
        *_SIZE,
        *_SOURCE,
        pa.field("faces_cut", pa.bool_()),
        pa.field("attempts", pa.int32(), nullable=False),
        pa.field("latency_ms", pa.float64()),
        pa.field("trace_id", pa.string()),
        pa.field("answered_at", _WHEN),
        pa.field("from_journal", pa.bool_(), nullable=False),
    ],
)
"""One row per manifest row that has an answer."""

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
"""One row per manifest row that failed. A run can use the files of this table as its manifest."""

TABLES: Final = {"faces": FACES, "images": IMAGES, "dead_letters": DEAD_LETTERS}

COLUMN_MEANINGS: Final[Mapping[str, str]] = {
    "image_id": "the name of the image in the manifest, or else 16 hex digits of the URL's sha256",
    "image_url": "the URL as the manifest spells it",
    "face_index": "number of the face in its image, from 0, in the order of the source",
    "face_count": "faces found in the image, at most ten",
    "image_width": "width of the upright image, in pixels; null: the source does not report it",
    "image_height": "height of the upright image, in pixels; null: the source does not report it",
    "source": "source of the answer: `local`, `api`, `fake`, or the name of your own source",
    "face_model_version": "version of the model that answered",
    "score": "0 to 1: share of such faces that are right within 5 % of the face's size; null: not said",
    "predicted_error": "expected error of the points, in % of the eyes' outer distance; null: not said",
    "yaw_deg": "degrees by which the head is turned: 0 to the camera, 90 to the image's left",
    "pitch_deg": "degrees by which it looks down",
    "roll_deg": "degrees by which it leans to the image's right",
    "faces_cut": "whether more faces were found than the ten that are kept; null: the source does not say",
    "box_x": "left edge of the smallest upright rectangle around the 90 points, in pixels",
    "box_y": "upper edge of this rectangle, in pixels",
    "box_width": "width of this rectangle, in pixels",
    "box_height": "height of this rectangle, in pixels",
    "outcome": "`ok`: at least one face; `no_face`: none",
    "attempts": "number of tries of this image, retries included; 0: nothing was sent",
    "latency_ms": "milliseconds of the last attempt, without waiting for its turn; null: from the journal",
    "trace_id": "id of the call, for the service's support; null: the call has none",
    "answered_at": "when the answer came; null: unknown",
    "from_journal": "whether this run read the answer from the journal",
    "raw_code": "the error code as the other side spells it",
    "upstream_code": "the error code of the service's upstream; null: the service reported none",
    "http_status": "HTTP status of the last attempt; null: there was no answer",
    "message": "what happened, which rule applies, and what to do",
    "stage": "step that failed: `manifest`, `fetch`, `decode` or `annotate`; `not_sent`: sending had stopped",
    "maybe_billed": "whether the service may bill the last call",
    "retryable": "whether a replay may succeed",
    "first_attempt_at": "start of the first attempt; null: there was none",
    "last_attempt_at": "start of the last attempt; null: there was none",
}
"""Meaning, unit and null rule of every column except the coordinates."""

YIELDING_COLUMNS: Final = frozenset(
    {"score", "predicted_error", "yaw_deg", "pitch_deg", "roll_deg", "faces_cut"}
)
"""Columns that a table leaves out if the manifest has its own column of the same name.

Earlier versions did not have these columns, so existing manifests may use their names."""
RESERVED_COLUMNS: Final = (
    frozenset(name for table in TABLES.values() for name in table.names) | {*PARTITION_COLUMNS}
) - YIELDING_COLUMNS
"""Names that a manifest's own columns must not have. `image_url` and `image_id` are not own columns."""


def with_manifest_columns(table: pa.Schema, columns: pa.Schema) -> pa.Schema:
    """Append the manifest's own columns to a table, in place of yielding columns with the same names."""
    own = {name.lower() for name in columns.names}
    ours = [field for field in table if field.name not in YIELDING_COLUMNS & own]
    return pa.schema([*ours, *columns], table.metadata)


def manifest_columns(file: pa.Schema, table: pa.Schema) -> pa.Schema:
    """Give the manifest's own columns in a file of a table: all columns after the table's last one."""
    return pa.schema([*file][file.get_field_index(table.names[-1]) + 1 :])


class Column(Protocol):
    """A column of a pyarrow, pandas or polars table."""

    def to_numpy(self) -> NDArray[np.float32]:
        """Give the values of the column."""


class Frame(Protocol):
    """A table or batch of pyarrow, or a frame of pandas or polars."""

    def __len__(self) -> int: ...

    def __getitem__(self, name: str, /) -> Column: ...


def face_points(faces: Frame) -> NDArray[np.float32]:
    """Turn a faces table into float32[n, 90, 2]: n faces, 90 landmarks, `(x, y)` in pixels.

    Args:
        faces: a table or batch of pyarrow, or a frame of pandas or polars.

    Raises:
        KeyError: a coordinate column is missing.
    """
    columns = [faces[name].to_numpy().astype(np.float32, copy=False) for name in COORDINATE_COLUMNS]
    return np.stack(columns, axis=1).reshape(len(faces), LANDMARK_COUNT, 2)
