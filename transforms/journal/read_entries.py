"""Read segments whole: all entries of them, or those of some keys."""

from collections.abc import Sequence
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from facebeam.transforms.journal.entries import ENTRIES, heads
from facebeam.transforms.journal.older_entries import renewed
from facebeam.transforms.journal.segments import DAMAGE, open_segment, set_aside


def read_entries(path: str, columns: Sequence[str] = ENTRIES.names, *, tidy: bool = True) -> pa.Table | None:
    """Read columns of all entries of a segment; None, after a warning, if it is not a segment.

    Raises:
        RunError, SegmentVanishedError: as `open_segment` does.
    """
    file = open_segment(path, tidy=tidy)
    if file is None:
        return None
    try:
        if file.schema_arrow.names == ENTRIES.names:
            return file.read(columns=[*columns], use_threads=False)
        return renewed(file.read(use_threads=False)).select(columns)
    except DAMAGE:  # a page that does not match its checksum, or cannot be unpacked
        set_aside(path, tidy=tidy)
        return None


def of_keys(entries: pa.Table, keys: pa.Array) -> pa.Table:
    """Keep the entries of some keys."""
    is_wanted = pc.is_in(_keys_of(entries), value_set=keys)
    return entries if pc.all(is_wanted).as_py() else entries.filter(is_wanted)


def not_before(entries: pa.Table, oldest: datetime) -> pa.Table:
    """Keep the entries that were answered at this time or later."""
    times = pa.array(heads(entries["packed"])["answered_at"])
    return entries.filter(pc.greater_equal(times, int(oldest.timestamp() * 1e6)))


def newest(entries: pa.Table) -> pa.Table:
    """Keep the newest entry of each key, by `answered_at`."""
    keys = _keys_of(entries)
    if pc.count_distinct(keys).as_py() == len(entries):  # the usual case
        return entries
    oldest_first = np.argsort(heads(entries["packed"])["answered_at"], kind="stable").tolist()
    names = keys.to_pylist()
    newest_of = {names[i]: i for i in oldest_first}
    return entries.take(pa.array(newest_of.values(), pa.int64()))


def _keys_of(entries: pa.Table) -> pa.Array:
    keys = np.ascontiguousarray(heads(entries["packed"])["key"])
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(32), len(keys), [None, pa.py_buffer(keys)])
