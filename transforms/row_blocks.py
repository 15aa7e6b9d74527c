"""How manifest rows travel through the one shuffle: in compressed blocks of one shard.

A million rows lie in memory there on a single machine. Alone, a row is 160 bytes of it; URLs of one manifest
are so alike that in a block it is some 20, and Beam handles a few thousand elements instead of a million.
"""

import pickle
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

import apache_beam as beam
from apache_beam.coders.coders import Coder
from apache_beam.coders.typecoders import registry
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.windowed_value import WindowedValue

from schemas.request_key import bucket_of
from schemas.values import ManifestRow
from transforms.progress import stop_if_asked

ROWS_A_BLOCK: Final = 256


class RowBlock(NamedTuple):
    """Rows of one shard."""

    rows: list[ManifestRow]


class RowBlockCoder(Coder):
    """Pickle the rows as plain tuples, and compress them."""

    def encode(self, value: RowBlock) -> bytes:
        """Turn a block into bytes."""
        return zlib.compress(pickle.dumps([tuple(row) for row in value.rows], pickle.HIGHEST_PROTOCOL), 1)

    def decode(self, encoded: bytes) -> RowBlock:
        """Turn bytes into the block; they were written by `encode` in this run."""
        return RowBlock([ManifestRow(*row) for row in pickle.loads(zlib.decompress(encoded))])  # noqa: S301 - ours

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

    def process(self, element: ManifestRow) -> Iterator[tuple[int, RowBlock]]:
        """Add a row to its shard's block; give the block when it is full."""
        stop_if_asked()
        shard = bucket_of(self._key_of(element)) % self._shards
        self._waiting[shard].append(element)
        if len(self._waiting[shard]) == ROWS_A_BLOCK:
            yield shard, RowBlock(self._waiting.pop(shard))

    def finish_bundle(self) -> Iterator[WindowedValue]:
        """Give the blocks that are not full."""
        window = GlobalWindow()
        for shard, rows in self._waiting.items():
            yield WindowedValue((shard, RowBlock(rows)), window.max_timestamp(), (window,))
