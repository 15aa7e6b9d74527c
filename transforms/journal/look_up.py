"""Look up keys in segments, and read little more than the bytes of their entries.

The end of a segment has the keys and sizes of all its entries. A look-up reads the end first, and then only
the entries that it wants. It reads a whole segment if the segment is small, has an older version or was
rewritten by a person, or if many of its entries are wanted.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from facebeam.schemas.errors import RunError
from facebeam.transforms.files.any_store import is_local, read_range
from facebeam.transforms.journal.entries import ENTRIES, NEEDED, is_intact, key_bits
from facebeam.transforms.journal.read_entries import newest, not_before, of_keys, read_entries
from facebeam.transforms.journal.segments import DAMAGE, SideBySide

SMALLEST_BYTES: Final = 32 << 10
"""A smaller segment is read whole: two requests cost more than its bytes."""
BYTES_AN_ENTRY: Final = 600
"""Approximate size. If many keys are wanted, whole segments are read without a look at their ends."""
PART_LOCAL, PART_REMOTE = 4, 40
"""If more than one in this many entries of a segment is wanted, the segment is read whole. One request to a
bucket takes as long as the transfer of some hundred kilobytes."""
GAP_BYTES: Final = 8 << 10
"""Entries with at most this many bytes between them are read by one request."""
_FOOTER_BYTES: Final = 2_560
_INDEX_PART: Final = 64
"""The first read covers `_FOOTER_BYTES` and one part in `_INDEX_PART` of the segment, from its end. A longer
index needs another read."""
_INDEX: Final = ENTRIES.names[-5:]
_LONGEST_PAGE_HEADER: Final = 64


def look_up(
    sizes: Mapping[str, int],
    keys: Collection[bytes],
    oldest: datetime | None,
    reads: SideBySide,
    *,
    tidy: bool = True,
) -> pa.Table:
    """Read the newest entry of each of these keys: one row per key that has an entry, the columns NEEDED.

    Args:
        sizes: a bucket's segments: path -> size in bytes.
        keys: the keys to look up, all of that bucket.
        oldest: older entries do not count; None: all count.
        reads: how to read several segments or parts of them.
        tidy: whether damaged segments are renamed.

    Raises:
        RunError, SegmentVanishedError: as `open_segment` does.
    """
    wanted = pa.array(keys, pa.binary(32))
    by_range = {path: size for path, size in sizes.items() if size >= SMALLEST_BYTES}
    if len(keys) * BYTES_AN_ENTRY * PART_LOCAL > sum(sizes.values()):
        by_range = {}
    bits = np.unique(np.fromiter(map(key_bits, keys), np.int64, len(keys)))
    found = reads(partial(_wanted_of, bits), by_range.items())
    parts = {path: part for path, part in zip(by_range, found, strict=True) if part is not None}
    pieces = [(path, piece) for path, part in parts.items() for piece in part.pieces()]
    content: dict[str, list[bytes]] = {path: [] for path in parts}
    for (path, _), packed in zip(pieces, reads(_read_piece, pieces), strict=True):
        content[path] += packed
    tables = {path: part.table(content[path]) for path, part in parts.items()}
    whole = [path for path in sizes if tables.get(path) is None]
    read = reads(partial(read_entries, columns=NEEDED, tidy=tidy), whole)
    entries = [of_keys(table, wanted) for table in (*read, *tables.values()) if table is not None]
    joined = pa.concat_tables([_NOTHING, *entries])
    return newest(joined if oldest is None else not_before(joined, oldest))


_NOTHING: Final = ENTRIES.empty_table().select(NEEDED)


class _Piece(NamedTuple):
    """Entries of a segment that are read at once."""

    starts: Sequence[int]
    stops: Sequence[int]


class _Part(NamedTuple):
    """The places of the m wanted entries in a segment, in the order of the file."""

    starts: NDArray[np.int64]
    stops: NDArray[np.int64]
    texts: pa.Table
    """The columns NEEDED of these entries, without the first."""

    def pieces(self) -> Iterator[_Piece]:
        """Group entries that are close together, to read each group at once."""
        far = np.flatnonzero(self.starts[1:] - self.stops[:-1] > GAP_BYTES) + 1
        for starts, stops in zip(np.split(self.starts, far), np.split(self.stops, far), strict=True):
            if len(starts):
                yield _Piece(starts.tolist(), stops.tolist())

    def table(self, packed: Sequence[bytes]) -> pa.Table | None:
        """Join the entries' columns; None if an entry is not what was written."""
        if len(packed) != len(self.starts) or not all(map(is_intact, packed)):
            return None
        return self.texts.add_column(0, ENTRIES.field("packed"), pa.array(packed, pa.binary()))


def _wanted_of(bits: NDArray[np.int64], segment: tuple[str, int]) -> _Part | None:
    """Find the entries with these bits of keys; None: the segment has to be read whole."""
    path, size = segment
    try:
        file = _open_end(path, size)
        if file is None:
            return None
        index = file.read(columns=_INDEX, use_threads=False)
    except (RunError, *DAMAGE):  # the segment is then read whole, which reports what is wrong
        return None
    hits = np.flatnonzero(np.isin(index["key_bits"].to_numpy(), bits))
    most = len(index) // (PART_LOCAL if is_local(path) else PART_REMOTE)
    lengths = index["packed_bytes"].to_numpy().astype(np.int64)
    column = file.metadata.row_group(0).column(0)
    stop = column.data_page_offset + column.total_compressed_size
    stops = stop - np.cumsum((4 + lengths)[::-1])[::-1] + 4 + lengths  # a length of 4 bytes before each
    header = int(stops[0] - lengths[0]) - 4 - column.data_page_offset if len(index) else 0
    if not 0 < header <= _LONGEST_PAGE_HEADER or len(hits) > max(most, 1):
        return None
    texts = index.select(NEEDED[1:]).take(pa.array(hits))
    return _Part((stops - lengths)[hits], stops[hits], texts)


def _open_end(path: str, size: int) -> pq.ParquetFile | None:
    """Open a segment after reading only its end; None if it does not have the expected layout."""
    start = max(0, size - _FOOTER_BYTES - size // _INDEX_PART)
    content = bytearray(size)
    content[start:] = read_range(path, start, size)
    footer = size - 8 - int.from_bytes(content[-8:-4], "little")
    if 0 < footer < start:
        content[footer:start] = read_range(path, footer, start)
        start = footer
    metadata = pq.read_metadata(pa.BufferReader(content))
    if metadata.num_row_groups != 1 or not metadata.schema.to_arrow_schema().equals(ENTRIES):
        return None
    group = metadata.row_group(0)
    columns = [group.column(i) for i in range(group.num_columns)]
    if columns[0].compression != "UNCOMPRESSED" or columns[0].has_dictionary_page:
        return None
    first = min(_begin(column) for column in columns[-len(_INDEX) :])
    if first < start:
        content[first:start] = read_range(path, first, start)
    return pq.ParquetFile(pa.BufferReader(content), metadata=metadata, page_checksum_verification=True)


def _begin(column: pq.ColumnChunkMetaData) -> int:
    return column.dictionary_page_offset or column.data_page_offset


def _read_piece(piece: tuple[str, _Piece]) -> list[bytes]:
    """Read the entries of a piece; an empty list if that fails, and the segment is then read whole."""
    path, (starts, stops) = piece
    first = starts[0]
    try:
        content = read_range(path, first, stops[-1])
    except RunError:
        return []
    return [content[start - first : stop - first] for start, stop in zip(starts, stops, strict=True)]
