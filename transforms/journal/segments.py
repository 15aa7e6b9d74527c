"""Segments of the journal: where they lie, how one is written, opened, and set aside when it is damaged."""

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
"""A flush has a segment in almost every bucket, and at 30 ms a request 500 answers took 55 s one by one."""


def bucket_folder(path: str, bucket: int) -> str:
    """Name the folder of a bucket."""
    return f"{path.rstrip('/')}/bucket={bucket:03d}"


def at_once(path: str) -> int:
    """Tell how many buckets are worth writing or reading side by side: on a network each of them waits."""
    return 1 if is_local(path) else REMOTE_AT_ONCE


def list_segments(folder: str) -> dict[str, FoundFile]:
    """List the segments of a bucket by their names, from one look; unfinished and set aside files are none.

    Raises:
        RunError: the folder is there but cannot be listed.
    """
    return {path: file for path, file in files_in(folder).items() if path.endswith(".parquet")}


def delete(paths: Iterable[str]) -> None:
    """Delete files as far as they are there and may be deleted; what stays does no harm."""
    for path in paths:
        with suppress(RunError):
            remove_files([path])


ROWS_A_GROUP: Final = 2_000
_COMPRESSION: Final = dict.fromkeys(ENTRIES.names, "snappy") | {"faces.list.element": "zstd"}
"""zstd costs a reader 15 us a column in each file, however short: worth it for the coordinates only."""
DAMAGE: Final = (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError, UnicodeDecodeError)
"""How Arrow reports bytes that are no Parquet, found by flipping bits; no disk is read there."""
_LOGGER: Final = getLogger("facebeam")


class SegmentVanishedError(Exception):
    """A listed segment is gone: someone else has merged it meanwhile, so list again."""


def write_segment(folder: str, entries: pa.Table) -> str:
    """Write a segment that is whole or not there; give its path.

    Raises:
        RunError: it cannot be written; nothing of it stays behind.
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
    """Open a segment; None, with a warning, where it is none.

    What is no whole Parquet file (cut by a power failure, or by a copy) is set aside under another name. A
    Parquet file of another kind holds no answer of ours and is not ours to move: it stays. Where `tidy` is
    False, the first stays too.

    Raises:
        RunError: it cannot be read, or a newer facebeam wrote it: to go on would pay for its answers again.
        SegmentVanishedError: it is there no more.
    """
    data = _read(path)
    try:
        file = pq.ParquetFile(pa.BufferReader(data), page_checksum_verification=True)
    except DAMAGE:
        set_aside(path, tidy=tidy)
        return None
    return file if _is_ours(path, file.schema_arrow) else None


def set_aside(path: str, *, tidy: bool) -> None:
    """Warn of a damaged segment; where `tidy`, rename it if that is possible: nobody reads it again."""
    _LOGGER.warning("%s is damaged and left out; what it held will be asked for again", path)
    if not tidy:
        return
    folder, _, name = path.rpartition("/")
    with suppress(RunError):  # another process was faster, or the journal may only be read
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
    _LOGGER.warning("%s is left out: it is Parquet, but no segment of this journal; move it away", path)
    return False
