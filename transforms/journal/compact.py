"""Merge the small segments of a bucket: many short runs leave many files, and each file costs one read."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import accumulate
from typing import Final

import pyarrow as pa

from facebeam.schemas.errors import RunError
from facebeam.transforms.files.store import FoundFile
from facebeam.transforms.journal.read_entries import newest, read_entries
from facebeam.transforms.journal.segments import delete, write_segment

MOST_SMALL_SEGMENTS: Final = 8
"""With more, they are merged: opening a segment costs as much as reading about sixty of its answers."""
LARGEST_MERGED_BYTES: Final = 8 << 20
"""Limits the memory for reading a segment. A segment above half of it is not merged again."""


def compact(folder: str, listed: Mapping[str, FoundFile]) -> Sequence[str]:
    """Merge the smallest segments of a bucket into one if there are many; give the segments that remain.

    The merged segment gets its name before the old segments are deleted. If a process dies in between, or two
    processes merge the same segments, some entries are there twice, and the newest counts. If the journal
    cannot be written, nothing is merged.

    Raises:
        RunError, SegmentVanishedError: as `open_segment` does.
    """
    segments = [*listed]
    sizes = {path: file.size_bytes for path, file in listed.items()}
    small = sorted(
        (path for path in segments if sizes[path] <= LARGEST_MERGED_BYTES // 2), key=sizes.__getitem__
    )
    if len(small) <= MOST_SMALL_SEGMENTS:
        return segments
    return _merge(folder, segments, _fitting(small, sizes))


def _fitting(small: Sequence[str], sizes: Mapping[str, int]) -> Sequence[str]:
    """Give the smallest segments that together fit into a merged one: at least two."""
    totals = accumulate(sizes[path] for path in small)
    return small[: sum(total <= LARGEST_MERGED_BYTES for total in totals)]


def _merge(folder: str, segments: Sequence[str], chosen: Sequence[str]) -> Sequence[str]:
    tables = {path: read_entries(path) for path in chosen}
    merged = {path: table for path, table in tables.items() if table is not None}
    others = [path for path in segments if path not in tables]
    if not merged:
        return others
    with suppress(RunError):  # a read-only journal or a full disk: the old segments are still complete
        whole = write_segment(folder, newest(pa.concat_tables(merged.values())))
        delete(merged)
        return [*others, whole]
    return [*others, *merged]
