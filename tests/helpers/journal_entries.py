"""Results and segments for the tests of the journal."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from facebeam.schemas.errors import ErrorCode, Fate
from facebeam.schemas.values import Answer, Face, Failure, ImageRequest
from facebeam.transforms.journal.entries import JOURNAL_VERSION, VERSION_KEY, Entry, encode_entries
from facebeam.transforms.journal.journal import Journal
from facebeam.transforms.journal.segments import write_segment
from tests.helpers.values import ANSWER

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
REQUEST = ImageRequest("https://images.example.com/a.jpg")
MOST_ATTEMPTS = 3
REJECTS = [
    code
    for code in ErrorCode
    if code.fate(MOST_ATTEMPTS) is Fate.REJECT and not code.about.depends_on_environment
]


def key_of(number: int, bucket: int | None = None) -> bytes:
    """Give the key of a numbered image, in its own bucket or a chosen one."""
    key = sha256(str(number).encode()).digest()
    return key if bucket is None else bytes([bucket]) + key[1:]


def answer(number: int = 0, at: datetime = NOON) -> Answer:
    """Give an answer with one face, which differs for each number."""
    points = np.arange(180, dtype=np.float32).reshape(90, 2) + np.float32(number)
    return replace(ANSWER, faces=(Face(points),), source="api", trace_id=f"trace-{number}", answered_at=at)


def reject(code: ErrorCode = ErrorCode.FORBIDDEN) -> Failure:
    """Give a failure with every field filled."""
    return Failure(
        code,
        "größe",
        stage="annotate",
        raw_code="raw",
        upstream_code="Up.Stream",
        http_status=404,
        trace_id="trace",
        maybe_billed=True,
        attempts=MOST_ATTEMPTS,
        first_attempt_at=NOON - timedelta(minutes=1),
        last_attempt_at=NOON,
    )


def write(path: Path, keys: Iterable[bytes], at: datetime = NOON) -> Path:
    """Write one segment with one answer per key, all of one bucket; give its path."""
    entries = [Entry(key, REQUEST.image_url, answer(number, at), NOON) for number, key in enumerate(keys)]
    return Path(write_segment(f"{path}/bucket={entries[0].key[0]:03d}", encode_entries(entries)).path)


def write_newer(path: Path) -> None:
    """Write a segment as a later version of facebeam may write it: only its version can be read."""
    path.parent.mkdir(exist_ok=True)
    table = pa.table({"key": [key_of(0)]}).replace_schema_metadata({VERSION_KEY: str(JOURNAL_VERSION + 1)})
    pq.write_table(table, path)


def segments(path: Path) -> list[Path]:
    """List the files that readers treat as segments."""
    return sorted(path.glob("bucket=*/[!_]*"))


def stored_keys(path: Path, keys: Iterable[bytes]) -> set[bytes]:
    """Open the journal anew, as a new process does, and give those of the keys that it has."""
    return {key for key, _ in Journal(str(path)).stored([*keys])}
