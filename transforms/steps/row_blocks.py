"""How manifest rows travel through the one shuffle: in compressed blocks of one journal bucket.

A million rows lie in memory there on a single machine. Alone, a row is 160 bytes of it; URLs of one manifest
are so alike that in a block it is some 20, and Beam handles a few thousand elements instead of a million.
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
"""Rows of a shard that are unpacked at a time."""


class RowBlock(NamedTuple):
    """Rows whose answers lie in one bucket of the journal."""

    bucket: int
    packed: bytes

    @property
    def rows(self) -> list[ManifestRow]:
        """Unpack the rows; they were packed in this run."""
        return [ManifestRow(*row) for row in pickle.loads(zlib.decompress(self.packed))]  # noqa: S301 - ours


def pack(bucket: int, rows: Sequence[ManifestRow]) -> RowBlock:
    """Pickle the rows as plain tuples, and compress them."""
    plain = pickle.dumps([tuple(row) for row in rows], pickle.HIGHEST_PROTOCOL)
    return RowBlock(bucket, zlib.compress(plain, 1))


def unpack_in_turn(blocks: Iterable[RowBlock]) -> Iterator[list[ManifestRow]]:
    """Unpack a shard's rows some ten thousand at a time, bucket by bucket.

    Equal questions come together: a bucket is never divided, however large it is.
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
    """A block as bytes: its bucket, then what is packed."""

    def encode(self, value: RowBlock) -> bytes:
        """Turn a block into bytes."""
        return bytes([value.bucket]) + value.packed

    def decode(self, encoded: bytes) -> RowBlock:
        """Turn bytes into the block."""
        return RowBlock(encoded[0], encoded[1:])

    def is_deterministic(self) -> bool:
        """Blocks are values, never keys."""
        return False


registry.register_coder(RowBlock, RowBlockCoder)


class BlockByShard(beam.DoFn):
    """PCollection[ManifestRow] -> PCollection[tuple[int, RowBlock]], each row in one block of its shard.

    Args:
        key_of: the key of the question that a row asks; its bucket decides the shard, so that a shard's
            answers lie together in the journal.
        shards: 1 to 256.
    """

    def __init__(self, key_of: Callable[[ManifestRow], bytes], shards: int) -> None:
        self._key_of = key_of
        self._shards = shards

    def start_bundle(self) -> None:
        """Start without rows."""
        self._waiting: defaultdict[int, list[ManifestRow]] = defaultdict(list)

    def process(self, element: ManifestRow) -> Sequence[tuple[int, RowBlock]]:
        """Add a row to its bucket's block; give the block when it is full."""
        stop_if_asked()
        bucket = bucket_of(self._key_of(element))
        rows = self._waiting[bucket]
        rows.append(element)
        return [self._block(bucket, self._waiting.pop(bucket))] if len(rows) == ROWS_A_BLOCK else ()

    def finish_bundle(self) -> Iterator[WindowedValue]:
        """Give the blocks that are not full."""
        window = GlobalWindow()
        for bucket, rows in self._waiting.items():
            yield WindowedValue(self._block(bucket, rows), window.max_timestamp(), (window,))

    def _block(self, bucket: int, rows: Sequence[ManifestRow]) -> tuple[int, RowBlock]:
        return bucket % self._shards, pack(bucket, rows)
