"""Read entries from segments: all of them, or those of some keys."""

from collections.abc import Iterable
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from facebeam.transforms.journal.entries import ENTRIES
from facebeam.transforms.journal.segments import DAMAGE, open_segment, set_aside


def read_newest(
    segments: Iterable[str], keys: pa.Array, not_before: datetime | None = None, *, tidy: bool = True
) -> pa.Table:
    """Read the newest entry of each of these keys: one row per key that has an entry.

    Args:
        segments: paths of segments.
        keys: the keys to look up.
        not_before: older entries do not count; None: all count.
        tidy: whether damaged segments are renamed.

    Raises:
        RunError, SegmentVanishedError: as `open_segment` does.
    """
    found = [read_entries(path, keys, tidy=tidy) for path in segments]
    entries = pa.concat_tables([ENTRIES.empty_table(), *(table for table in found if table is not None)])
    if not_before is not None:
        entries = entries.filter(pc.greater_equal(entries["answered_at"], pa.scalar(not_before)))
    return newest(entries)


def read_entries(path: str, keys: pa.Array | None = None, *, tidy: bool = True) -> pa.Table | None:
    """Read a segment's entries, those of some keys or all; None, after a warning, if it is not a segment."""
    file = open_segment(path, tidy=tidy)
    if file is None:
        return None
    try:
        groups = [_read_group(file, group, keys) for group in range(file.num_row_groups)]
    except DAMAGE:  # a page that does not match its checksum, or cannot be unpacked
        set_aside(path, tidy=tidy)
        return None
    return pa.concat_tables([ENTRIES.empty_table(), *groups])


def newest(entries: pa.Table) -> pa.Table:
    """Keep the newest entry of each key, by `answered_at`."""
    if pc.count_distinct(entries["key"]).as_py() == len(entries):  # the usual case
        return entries
    keys = entries["key"].to_pylist()
    oldest_first = pc.sort_indices(entries["answered_at"]).to_pylist()
    newest_of = {keys[i]: i for i in oldest_first}
    return entries.take(pa.array(newest_of.values(), pa.int64()))


def _read_group(file: pq.ParquetFile, group: int, keys: pa.Array | None) -> pa.Table:
    """Read the key column first, and the other columns only if it has a wanted key."""
    if keys is None:
        return _completed(file.read_row_group(group, use_threads=False))
    is_wanted = pc.is_in(file.read_row_group(group, ["key"], use_threads=False)["key"], value_set=keys)
    if not pc.any(is_wanted).as_py():
        return ENTRIES.empty_table()
    entries = _completed(file.read_row_group(group, use_threads=False))
    return entries if pc.all(is_wanted).as_py() else entries.filter(is_wanted)


def _completed(entries: pa.Table) -> pa.Table:
    """Add the columns that entries of an older version lack, with nulls."""
    for field in [*ENTRIES][entries.num_columns :]:
        entries = entries.append_column(field, pa.nulls(len(entries), field.type))
    return entries.replace_schema_metadata(ENTRIES.metadata)
