"""Merge the small segments of a bucket: many short runs leave many files, and each file costs one read."""

from collections.abc import Iterator, Mapping
from typing import Final

import pyarrow as pa

from facebeam.schemas.errors import RunError
from facebeam.transforms.journal.read_entries import newest, read_entries
from facebeam.transforms.journal.segments import SideBySide, delete, write_segment

MOST_SMALL_SEGMENTS: Final = 8
"""With more, they are merged: opening a segment costs as much as reading about sixty of its answers."""
LARGEST_MERGED_BYTES: Final = 8 << 20
"""Limits the memory for reading a segment. A segment above half of it is not merged again."""


def small_segments(sizes: Mapping[str, int]) -> dict[str, int]:
    """Give the segments that can be merged, the smallest first: path -> size in bytes."""
    small = {path: size for path, size in sizes.items() if size <= LARGEST_MERGED_BYTES // 2}
    return dict(sorted(small.items(), key=lambda item: item[1]))


def compact(folder: str, sizes: Mapping[str, int], reads: SideBySide) -> dict[str, int]:
    """Merge the small segments of a bucket, lot by lot, if there are many; give the segments that remain.

    A lot is in memory at a time. Its merged segment gets its name before the old segments are deleted. If a
    process dies in between, or two processes merge the same segments, some entries are there twice, and the
    newest counts. If the journal cannot be written, nothing is merged.

    Args:
        folder: the bucket's folder.
        sizes: path -> size in bytes of all its segments, or of those that one process has written.
        reads: how to read several segments.

    Raises:
        RunError, SegmentVanishedError: as `open_segment` does.
    """
    left, small = dict(sizes), small_segments(sizes)
    if len(small) <= MOST_SMALL_SEGMENTS:
        return left
    for lot in _lots(small):
        merged = _merge(folder, lot, reads)
        left = {path: size for path, size in left.items() if path not in lot} | merged
    return left


def _lots(sizes: Mapping[str, int]) -> Iterator[dict[str, int]]:
    """Divide segments into lots, each of which fits into one merged segment."""
    lot: dict[str, int] = {}
    for path, size in sizes.items():
        if sum(lot.values()) + size > LARGEST_MERGED_BYTES:
            yield lot
            lot = {}
        lot[path] = size
    if len(lot) > 1:
        yield lot


def _merge(folder: str, lot: Mapping[str, int], reads: SideBySide) -> dict[str, int]:
    """Put a lot's entries into one segment; give what is left of the lot, without what is not a segment."""
    tables = dict(zip(lot, reads(read_entries, lot), strict=True))
    merged = {path: table for path, table in tables.items() if table is not None}
    old = {path: lot[path] for path in merged}
    if len(old) <= 1:
        return old
    try:
        whole = write_segment(folder, newest(pa.concat_tables(merged.values())).sort_by("key_bits"))
    except RunError:  # a read-only journal or a full disk: the old segments are still complete
        return old
    delete(old)
    return {whole.path: whole.size_bytes}
