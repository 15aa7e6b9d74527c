"""Segments of the journal: list, write and open them, and rename damaged ones."""

import inspect
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from logging import getLogger
from typing import Final, NamedTuple, Protocol, TypeVar
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq

from facebeam.schemas.errors import RunError
from facebeam.transforms.files.any_store import (
    exists,
    files_in,
    is_local,
    move,
    read_bytes,
    remove_files,
    write_whole,
)
from facebeam.transforms.journal.entries import ENTRIES, JOURNAL_VERSION, VERSION_KEY
from facebeam.transforms.journal.older_entries import OLDER_ENTRIES

REMOTE_AT_ONCE: Final = 16
"""A flush writes almost every bucket. One after the other, at 30 ms per request, 500 answers took 55 s."""

Item = TypeVar("Item")
Result = TypeVar("Result")


def bucket_folder(path: str, bucket: int) -> str:
    """Name the folder of a bucket."""
    return f"{path.rstrip('/')}/bucket={bucket:03d}"


def at_once(path: str) -> int:
    """Give the number of buckets to read or write in parallel: a remote journal waits for the network."""
    return 1 if is_local(path) else REMOTE_AT_ONCE


class SideBySide(Protocol):
    """Works as `map`, but may make several calls in parallel."""

    def __call__(self, call: Callable[[Item], Result], items: Iterable[Item], /) -> Iterable[Result]:
        """Give the result of each call, in the order of the items."""


READS_AT_ONCE: Final = 10
"""The number of connections that the clients of Google's and Amazon's stores hold open."""


@contextmanager
def side_by_side(path: str, most: int = READS_AT_ONCE) -> Iterator[SideBySide]:
    """Give a function like `map`, which works on a remote journal in parallel: `most` calls at a time."""
    if is_local(path):
        yield map
        return
    with ThreadPoolExecutor(most, "segments") as pool:
        yield pool.map


def list_segments(folder: str) -> dict[str, int]:
    """List the segments of a bucket, without unfinished and damaged files: path -> size in bytes.

    Raises:
        RunError: the folder exists but cannot be listed.
    """
    return {path: file.size_bytes for path, file in files_in(folder).items() if path.endswith(".parquet")}


def delete(paths: Collection[str]) -> None:
    """Delete files, and ignore those that cannot be deleted: they do no harm."""
    with suppress(RunError):
        remove_files(paths)


_REPEATED: Final = ["outcome", "error_code", "source", "face_model_version", "asked_by"]
_ENCODINGS: Final = {
    "packed": "PLAIN",
    "answered_at": "DELTA_BINARY_PACKED",
    "key_bits": "DELTA_BINARY_PACKED",
    "packed_bytes": "DELTA_BINARY_PACKED",
}
_COMPRESSION: Final = dict.fromkeys(ENTRIES.names, "none") | {"image_url": "zstd"}
_NEWER_PYARROW: Final = inspect.signature(pq.ParquetWriter).parameters
_ONE_PAGE: Final = {"data_page_size": 1 << 30} | (
    {"max_rows_per_page": 1 << 30} if "max_rows_per_page" in _NEWER_PYARROW else {}
)
"""A look-up needs all entries in one page of the column `packed`."""
DAMAGE: Final = (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError, UnicodeDecodeError)
"""Errors of Arrow for bytes that are not valid Parquet, found by flipping bits. The bytes are in memory."""
_LOGGER: Final = getLogger("facebeam")


class SegmentVanishedError(Exception):
    """A listed segment no longer exists: another process has merged it, so list the folder again."""


class Segment(NamedTuple):
    """A segment that was written."""

    path: str
    size_bytes: int


def write_segment(folder: str, entries: pa.Table) -> Segment:
    """Write a segment that is complete or not there.

    Raises:
        RunError: it cannot be written; nothing of it remains.
    """
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(
        sink,
        ENTRIES,
        use_dictionary=_REPEATED,
        column_encoding=_ENCODINGS,
        compression=_COMPRESSION,
        write_statistics=False,
        store_schema=False,  # only Arrow reads it, and it takes a kilobyte of each small file
        write_page_checksum=True,
        **_ONE_PAGE,
    ) as writer:
        writer.write_table(entries, max(1, len(entries)))
        writer.add_key_value_metadata(ENTRIES.metadata)
    content = sink.getvalue()
    name = uuid4().hex
    unfinished, path = f"{folder}/_{name}.unfinished", f"{folder}/{name}.parquet"
    try:
        write_whole(path, content, unfinished)
    except RunError:
        delete([unfinished])
        raise
    return Segment(path, len(content))


def open_segment(path: str, *, tidy: bool = True) -> pq.ParquetFile | None:
    """Open a segment; None, after a warning, if it is not a segment.

    A damaged Parquet file (after a power failure, or an incomplete copy) is renamed if `tidy` is True. A
    Parquet file that is not a segment has none of our answers, so it stays where it is.

    Raises:
        RunError: it cannot be read, or a newer facebeam wrote it: without it, the run would pay again.
        SegmentVanishedError: it no longer exists.
    """
    data = _read(path)
    try:
        file = pq.ParquetFile(pa.BufferReader(data), page_checksum_verification=True)
    except DAMAGE:
        set_aside(path, tidy=tidy)
        return None
    return file if _is_ours(path, file.schema_arrow) else None


def set_aside(path: str, *, tidy: bool) -> None:
    """Warn about a damaged segment; if `tidy`, try to rename it, so that no run reads it again."""
    _LOGGER.warning("%s is damaged and ignored; the run asks the source again for its images", path)
    if not tidy:
        return
    folder, _, name = path.rpartition("/")
    with suppress(RunError):  # another process was faster, or the journal is read-only
        move({path: f"{folder}/_{name}.torn"})


def _read(path: str) -> bytes:
    try:
        return read_bytes(path)
    except RunError as error:
        if exists(path):
            raise
        raise SegmentVanishedError(path) from error


def _is_ours(path: str, schema: pa.Schema) -> bool:
    version = (schema.metadata or {}).get(VERSION_KEY, b"")
    if version.isdigit() and int(version) > JOURNAL_VERSION:
        raise RunError(
            f"{path} was written by a newer facebeam (journal version {int(version)}, this one reads "
            f"{JOURNAL_VERSION}): upgrade facebeam, or choose another --journal and pay for its answers again"
        )
    if any(schema.equals(known) for known in (ENTRIES, *OLDER_ENTRIES)):
        return True
    _LOGGER.warning(
        "%s is ignored: it is Parquet, but not a segment of this journal; move it to another folder", path
    )
    return False
