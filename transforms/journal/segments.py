"""Segments of the journal: list, write and open them, and rename damaged ones."""

from collections.abc import Iterable
from contextlib import suppress
from logging import getLogger
from typing import Final
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq

from facebeam.schemas.errors import RunError
from facebeam.schemas.tables import DICTIONARY_BYTES
from facebeam.transforms.files.any_store import (
    exists,
    files_in,
    is_local,
    move,
    read_bytes,
    remove_files,
    write_whole,
)
from facebeam.transforms.files.store import FoundFile
from facebeam.transforms.journal.entries import ENTRIES, JOURNAL_VERSION, OLDER_ENTRIES, VERSION_KEY

REMOTE_AT_ONCE: Final = 16
"""A flush writes almost every bucket. One after the other, at 30 ms per request, 500 answers took 55 s."""


def bucket_folder(path: str, bucket: int) -> str:
    """Name the folder of a bucket."""
    return f"{path.rstrip('/')}/bucket={bucket:03d}"


def at_once(path: str) -> int:
    """Give the number of buckets to read or write in parallel: a remote journal waits for the network."""
    return 1 if is_local(path) else REMOTE_AT_ONCE


def list_segments(folder: str) -> dict[str, FoundFile]:
    """List the segments of a bucket by path, without unfinished and damaged files.

    Raises:
        RunError: the folder exists but cannot be listed.
    """
    return {path: file for path, file in files_in(folder).items() if path.endswith(".parquet")}


def delete(paths: Iterable[str]) -> None:
    """Delete files, and ignore those that cannot be deleted: they do no harm."""
    for path in paths:
        with suppress(RunError):
            remove_files([path])


ROWS_A_GROUP: Final = 2_000
_COMPRESSION: Final = dict.fromkeys(ENTRIES.names, "snappy") | {"faces.list.element": "zstd"}
"""zstd costs a reader 15 us per column and file, however short: it pays only for coordinates."""
DAMAGE: Final = (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError, UnicodeDecodeError)
"""Errors of Arrow for bytes that are not valid Parquet, found by flipping bits. The bytes are in memory."""
_LOGGER: Final = getLogger("facebeam")


class SegmentVanishedError(Exception):
    """A listed segment no longer exists: another process has merged it, so list the folder again."""


def write_segment(folder: str, entries: pa.Table) -> str:
    """Write a segment that is complete or not there; give its path.

    Raises:
        RunError: it cannot be written; nothing of it remains.
    """
    sink = pa.BufferOutputStream()
    pq.write_table(
        entries,
        sink,
        ROWS_A_GROUP,
        compression=_COMPRESSION,
        dictionary_pagesize_limit=DICTIONARY_BYTES,
        write_page_checksum=True,
    )
    name = uuid4().hex
    unfinished, path = f"{folder}/_{name}.unfinished", f"{folder}/{name}.parquet"
    try:
        write_whole(path, sink.getvalue(), unfinished)
    except RunError:
        delete([unfinished])
        raise
    return path


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
