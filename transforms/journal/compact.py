"""Merge the small segments of a bucket: many short runs leave many files, and each of them costs a read."""

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
"""Opening a segment costs as much as reading some sixty answers in it."""
LARGEST_MERGED_BYTES: Final = 8 << 20
"""Bounds the memory of reading a segment. Above half of it a segment is left alone, not written once more."""


def compact(folder: str, listed: Mapping[str, FoundFile]) -> Sequence[str]:
    """Merge the smallest segments of a bucket into one where there are many; give the segments that remain.

    The merged segment has its name before one of the old ones is deleted. Whoever dies in between, or merges
    the same ones at the same time, leaves entries that stand twice: the newest counts. Where nothing can be
    written, nothing is merged.

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
    """Give the smallest segments that together fit into a merged one: two at least."""
    totals = accumulate(sizes[path] for path in small)
    return small[: sum(total <= LARGEST_MERGED_BYTES for total in totals)]


def _merge(folder: str, segments: Sequence[str], chosen: Sequence[str]) -> Sequence[str]:
    tables = {path: read_entries(path) for path in chosen}
    merged = {path: table for path, table in tables.items() if table is not None}
    others = [path for path in segments if path not in tables]
    if not merged:
        return others
    with suppress(RunError):  # a journal that may only be read, or a full disk: it is as good as before
        whole = write_segment(folder, newest(pa.concat_tables(merged.values())))
        delete(merged)
        return [*others, whole]
    return [*others, *merged]
