"""Pack manifest rows into compressed blocks for the shuffle, each with rows of one journal bucket.

On a single machine, the shuffle holds all rows in memory. A single row takes 160 bytes. The URLs of a
manifest are so similar that a row in a block takes about 20 bytes, and a million rows are only a few thousand
elements for Beam.
"""

import pickle
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import attrgetter
from typing import Final, NamedTuple

import apache_beam as beam
from apache_beam.coders.coders import Coder
from apache_beam.coders.typecoders import registry
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.windowed_value import WindowedValue

from facebeam.schemas.request_key import bucket_of
from facebeam.schemas.values import ManifestRow
from facebeam.transforms.steps.progress import stop_if_asked

ROWS_A_BLOCK: Final = 256
ROWS_AT_A_TIME: Final = 10_000
"""About this many rows of a shard are unpacked at a time."""


class RowBlock(NamedTuple):
    """Compressed rows whose answers belong to the same bucket of the journal."""

    bucket: int
    packed: bytes

    @property
    def rows(self) -> list[ManifestRow]:
        """Unpack the rows. The pickle is safe to load: `pack` made it in this run."""
        return [ManifestRow(*row) for row in pickle.loads(zlib.decompress(self.packed))]  # noqa: S301 - made here


def pack(bucket: int, rows: Sequence[ManifestRow]) -> RowBlock:
    """Pickle rows as plain tuples, and compress them."""
    plain = pickle.dumps([tuple(row) for row in rows], pickle.HIGHEST_PROTOCOL)
    return RowBlock(bucket, zlib.compress(plain, 1))


def unpack_in_turn(blocks: Iterable[RowBlock]) -> Iterator[list[ManifestRow]]:
    """Yield a shard's rows in lists of about ten thousand, bucket by bucket.

    A bucket is never divided, however large it is, so rows with the same image are in the same list.
    """
    rows: list[ManifestRow] = []
    bucket = -1
    for block in sorted(blocks, key=attrgetter("bucket")):
        if block.bucket != bucket and len(rows) >= ROWS_AT_A_TIME:
            yield rows
            rows = []
        bucket = block.bucket
        rows += block.rows
    if rows:
        yield rows


class RowBlockCoder(Coder):
    """Encodes a block as bytes: one byte for the bucket, then the compressed rows."""

    def encode(self, value: RowBlock) -> bytes:
        """Encode a block."""
        return bytes([value.bucket]) + value.packed

    def decode(self, encoded: bytes) -> RowBlock:
        """Decode a block."""
        return RowBlock(encoded[0], encoded[1:])

    def is_deterministic(self) -> bool:
        """Tell Beam not to use blocks as keys."""
        return False


registry.register_coder(RowBlock, RowBlockCoder)


class BlockByShard(beam.DoFn):
    """PCollection[ManifestRow] -> PCollection[tuple[int, RowBlock]], each row in one block of its shard.

    Args:
        key_of: gives the key of a row's request; the bucket of the key decides the shard, so that the
            answers of a shard are in few folders of the journal.
        shards: number of shards, 1 to 256.
    """

    def __init__(self, key_of: Callable[[ManifestRow], bytes], shards: int) -> None:
        self._key_of = key_of
        self._shards = shards

    def start_bundle(self) -> None:
        """Start a bundle without rows."""
        self._waiting: defaultdict[int, list[ManifestRow]] = defaultdict(list)

    def process(self, element: ManifestRow) -> Sequence[tuple[int, RowBlock]]:
        """Add a row to the block of its bucket; give the block if it is full."""
        stop_if_asked()
        bucket = bucket_of(self._key_of(element))
        rows = self._waiting[bucket]
        rows.append(element)
        return [self._block(bucket, self._waiting.pop(bucket))] if len(rows) == ROWS_A_BLOCK else ()

    def finish_bundle(self) -> Iterator[WindowedValue]:
        """Give the remaining blocks, which are not full."""
        window = GlobalWindow()
        for bucket, rows in self._waiting.items():
            yield WindowedValue(self._block(bucket, rows), window.max_timestamp(), (window,))

    def _block(self, bucket: int, rows: Sequence[ManifestRow]) -> tuple[int, RowBlock]:
        return bucket % self._shards, pack(bucket, rows)
