"""Pack manifest rows into files, so that the engine shuffles only references to them.

Flink sorts all values of a key as one record, and a single machine holds them in memory: so the rows of a
shard must not travel as values of its key. The URLs of a manifest are so similar that a row takes 20 to 80
bytes in a file, and 160 bytes or more in memory.
"""

import math
import pickle
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from io import BytesIO
from struct import Struct
from typing import Final, NamedTuple
from uuid import uuid4

import apache_beam as beam
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.windowed_value import WindowedValue

from facebeam.schemas.errors import RunError
from facebeam.schemas.request_key import bucket_of
from facebeam.schemas.values import ManifestRow
from facebeam.transforms.files.any_store import read_range, writing
from facebeam.transforms.steps.progress import stop_if_asked

ROWS_A_BLOCK: Final = 256
BYTES_A_FILE: Final = 16 << 20
"""Blocks wait in memory until they have this many bytes; then all of them are written into one file."""
BYTES_A_BUNDLE: Final = 32 << 20
"""When the rows that wait for their blocks have this many bytes, all of them are packed at once."""
ROWS_AT_A_TIME: Final = 10_000
BYTES_AT_A_TIME: Final = 64 << 20
"""About this many rows of a shard, or rows of this many bytes, are unpacked at a time."""
LARGEST_PART: Final = 20_000
LARGEST_PART_BYTES: Final = 256 << 20
"""A larger bucket is unpacked in several parts; for each part, the whole bucket is read again."""

_LENGTH: Final = Struct("<I")


class Block(NamedTuple):
    """Compressed rows whose answers belong to the same bucket of the journal."""

    bucket: int
    rows: int
    size_bytes: int
    """Bytes of the pickled rows, before they are compressed."""
    packed: bytes
    """The length of the rest in four bytes, then the rows as plain tuples, pickled and compressed."""


def size_of(row: ManifestRow) -> int:
    """Give the bytes of a pickled row: about as many as it takes in memory."""
    return len(pickle.dumps(tuple(row), pickle.HIGHEST_PROTOCOL))


def pack(bucket: int, rows: Sequence[ManifestRow]) -> Block:
    """Pack rows of one bucket."""
    pickled = pickle.dumps([tuple(row) for row in rows], pickle.HIGHEST_PROTOCOL)
    packed = zlib.compress(pickled, 1)
    return Block(bucket, len(rows), len(pickled), _LENGTH.pack(len(packed)) + packed)


def unpack(blocks: bytes) -> Iterator[ManifestRow]:
    """Yield the rows of packed blocks, which must be those that `pack` made: a pickle can run any code."""
    stream = BytesIO(blocks)
    while length := stream.read(_LENGTH.size):
        packed = stream.read(*_LENGTH.unpack(length))
        for row in pickle.loads(zlib.decompress(packed)):  # noqa: S301 - StagedRows.read has checked the digest
            yield ManifestRow(*row)


class Span(NamedTuple):
    """Consecutive blocks of one bucket: their place among the bytes of a `StagedRows`."""

    bucket: int
    rows: int
    size_bytes: int
    """As in `Block`."""
    start: int
    stop: int
    digest: bytes
    """BLAKE2b of these bytes, 16 bytes long."""


class StagedRows(NamedTuple):
    """Rows of one shard: a reference to bytes of a file, or the bytes themselves."""

    spans: Sequence[Span]
    path: str = ""
    start: int = 0
    """Where the shard's bytes begin in the file."""
    content: bytes = b""
    """The bytes, if there is no file."""

    def read(self, span: Span) -> Iterator[ManifestRow]:
        """Yield the rows of a span.

        Raises:
            RunError: the file cannot be read, or its bytes are not those that were written.
        """
        if self.path:
            blocks = read_range(self.path, self.start + span.start, self.start + span.stop)
        else:
            blocks = self.content[span.start : span.stop]
        if _digest(blocks) != span.digest:
            raise RunError(f"{self.path} has changed since this run wrote it: start the run again")
        return unpack(blocks)


def _digest(blocks: bytes) -> bytes:
    return blake2b(blocks, digest_size=16).digest()


def lay_out(blocks: Iterable[Block]) -> tuple[list[Span], bytes]:
    """Join blocks bucket by bucket, and tell where each bucket is."""
    buckets: defaultdict[int, list[Block]] = defaultdict(list)
    for block in blocks:
        buckets[block.bucket].append(block)
    spans, content = [], bytearray()
    for bucket, own in sorted(buckets.items()):
        joined = b"".join(block.packed for block in own)
        start = len(content)
        content += joined
        rows, size_bytes = sum(block.rows for block in own), sum(block.size_bytes for block in own)
        spans.append(Span(bucket, rows, size_bytes, start, len(content), _digest(joined)))
    return spans, bytes(content)


def unpack_in_turn(staged: Iterable[StagedRows]) -> Iterator[list[ManifestRow]]:
    """Yield a shard's rows in lists of about ten thousand, or fewer if they are large, bucket by bucket.

    Rows with the same image are always in the same list.
    """
    places: defaultdict[int, list[tuple[StagedRows, Span]]] = defaultdict(list)
    for file in staged:
        for span in file.spans:
            places[span.bucket].append((file, span))
    rows: list[ManifestRow] = []
    size_bytes = 0
    for _, of_bucket in sorted(places.items()):
        count, bucket_bytes = _count_parts(of_bucket)
        for part in range(count):
            rows += _part(of_bucket, part, count)
            size_bytes += bucket_bytes // count
            if len(rows) >= ROWS_AT_A_TIME or size_bytes >= BYTES_AT_A_TIME:
                yield rows
                rows, size_bytes = [], 0
    if rows:
        yield rows


def _count_parts(places: Sequence[tuple[StagedRows, Span]]) -> tuple[int, int]:
    """Give the number of parts of a bucket, and the bytes of all of them."""
    rows, size_bytes = sum(span.rows for _, span in places), sum(span.size_bytes for _, span in places)
    return max(math.ceil(rows / LARGEST_PART), math.ceil(size_bytes / LARGEST_PART_BYTES)), size_bytes


def _part(places: Sequence[tuple[StagedRows, Span]], part: int, count: int) -> list[ManifestRow]:
    """Read the rows of one part of a bucket; a hash of its URL decides for a row."""
    rows = (row for file, span in places for row in file.read(span))
    return [row for row in rows if count == 1 or _hash(row.image_url) % count == part]


def _hash(url: str) -> int:
    return zlib.crc32(url.encode("utf-8", "surrogatepass"))


class StageRows(beam.DoFn):
    """PCollection[ManifestRow] -> PCollection[tuple[int, StagedRows]]: shards, and where their rows are.

    A bundle that the engine retries leaves files of its earlier tries behind. No StagedRows names them, and
    they are deleted with the folder.

    Args:
        key_of: gives the key of a row's request; the bucket of the key decides the shard, so that the
            answers of a shard are in few folders of the journal.
        shards: number of shards, 1 to 256.
        folder: folder for the files; every worker must be able to read it. None: rows travel in the
            elements, so the engine must be able to hold the rows of a shard in memory.

    Raises:
        RunError: a file cannot be written.
    """

    def __init__(self, key_of: Callable[[ManifestRow], bytes], shards: int, folder: str | None) -> None:
        self._key_of = key_of
        self._shards = shards
        self._folder = folder

    def start_bundle(self) -> None:
        """Start a bundle without rows."""
        self._waiting: defaultdict[int, list[ManifestRow]] = defaultdict(list)
        self._sizes = Counter[int]()
        self._waiting_bytes = 0
        self._blocks: list[Block] = []
        self._bytes = 0

    def process(self, element: ManifestRow) -> Sequence[tuple[int, StagedRows]]:
        """Add a row to those of its bucket; when there are enough bytes, stage them."""
        stop_if_asked()
        bucket = bucket_of(self._key_of(element))
        rows = self._waiting[bucket]
        rows.append(element)
        size_bytes = size_of(element)
        self._sizes[bucket] += size_bytes
        self._waiting_bytes += size_bytes
        if len(rows) >= ROWS_A_BLOCK:
            self._pack(bucket)
        if self._waiting_bytes >= BYTES_A_BUNDLE:
            self._pack_all()
        return self._stage() if self._bytes >= BYTES_A_FILE else ()

    def finish_bundle(self) -> Iterator[WindowedValue]:
        """Stage all remaining rows."""
        self._pack_all()
        window = GlobalWindow()
        for staged in self._stage():
            yield WindowedValue(staged, window.max_timestamp(), (window,))

    def _pack_all(self) -> None:
        for bucket in [*self._waiting]:
            self._pack(bucket)

    def _pack(self, bucket: int) -> None:
        block = pack(bucket, self._waiting.pop(bucket))
        self._waiting_bytes -= self._sizes.pop(bucket)
        self._blocks.append(block)
        self._bytes += len(block.packed)

    def _stage(self) -> list[tuple[int, StagedRows]]:
        shards: defaultdict[int, list[Block]] = defaultdict(list)
        for block in self._blocks:
            shards[block.bucket % self._shards].append(block)
        self._blocks, self._bytes = [], 0
        parts = {shard: lay_out(blocks) for shard, blocks in sorted(shards.items())}
        if self._folder and parts:
            return _write(f"{self._folder}/{uuid4().hex}", parts)
        return [(shard, StagedRows(spans, content=content)) for shard, (spans, content) in parts.items()]


def _write(path: str, parts: Mapping[int, tuple[Sequence[Span], bytes]]) -> list[tuple[int, StagedRows]]:
    """Write the bytes of all shards into one file, and give each shard its reference."""
    staged, start = [], 0
    with writing(path) as file:
        for shard, (spans, content) in parts.items():
            staged.append((shard, StagedRows(spans, path, start)))
            file.write(content)
            start += len(content)
    return staged
