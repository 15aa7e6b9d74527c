"""What the journal keeps of one question, and its columns."""

from datetime import datetime
from typing import Final, NamedTuple

import pyarrow as pa

from schemas.errors import Fate
from schemas.values import Answer, Failure

JOURNAL_VERSION: Final = 2
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
    ],
    {VERSION_KEY: str(JOURNAL_VERSION)},
)
ENTRIES_1: Final = pa.schema([*ENTRIES][:-1])
"""As version 1 wrote them."""
"""One row a result: `outcome` of an answer, or `error_code` of a failure. `faces`: 180 numbers a face, flat.

A failure's `answered_at` is its last attempt. The URL is there for people to find; only the key is looked up.
"""


class Entry(NamedTuple):
    """One result on its way into the journal."""

    key: bytes
    image_url: str
    result: Answer | Failure
    recorded_at: datetime
    asked_by: str | None = None
    """Which try of which run asked."""

    @property
    def answered_at(self) -> datetime:
        """When the other side said it, or else when it was recorded."""
        result = self.result
        said_at = result.answered_at if isinstance(result, Answer) else result.last_attempt_at
        return said_at or self.recorded_at


def is_kept(result: Answer | Failure) -> bool:
    """Tell whether asking again would pay for the same result again: answers, and rejects that were sent."""
    return isinstance(result, Answer) or (
        result.fate is Fate.REJECT and result.was_sent and not result.is_mended_elsewhere
    )
