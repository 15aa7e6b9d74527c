"""Row blocks neither lose nor change a row, and a URL has the same shard in every process."""

import os
import subprocess
import sys
from collections import defaultdict
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial

from apache_beam.utils.windowed_value import WindowedValue
from hypothesis import given
from hypothesis import strategies as st

from facebeam.schemas.request_key import bucket_of, request_key
from facebeam.schemas.values import ImageRequest, ManifestRow
from facebeam.transforms.steps.questions import Question
from facebeam.transforms.steps.row_blocks import (
    ROWS_A_BLOCK,
    ROWS_AT_A_TIME,
    BlockByShard,
    RowBlock,
    RowBlockCoder,
    pack,
    unpack_in_turn,
)
from tests.helpers.values import row

_ODD = st.sampled_from([None, b"\xff\x00", Decimal("1.10"), datetime(1, 1, 1, tzinfo=UTC), 2**100, "\ud800"])
_VALUES = st.recursive(
    _ODD | st.text() | st.integers() | st.floats(allow_nan=False),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
_ROWS = st.builds(ManifestRow, st.text(), st.text(), st.lists(_VALUES, max_size=3).map(tuple))


@given(st.integers(0, 255), st.lists(_ROWS, max_size=5))
def test_a_block_is_the_same_after_its_bytes(bucket: int, rows: list[ManifestRow]) -> None:
    """A decoded block has equal rows of type ManifestRow, whatever values the manifest's columns have."""
    coder = RowBlockCoder()
    decoded = coder.decode(coder.encode(pack(bucket, rows)))
    assert (decoded.bucket, decoded.rows) == (bucket, rows)
    assert all(type(each) is ManifestRow for each in decoded.rows)


def test_alike_urls_cost_few_bytes() -> None:
    """In a block of similar URLs a row takes fewer than 20 bytes, a fraction of its URL."""
    rows = [ManifestRow(f"https://images.example.com/2030/01/{i:06d}.jpg", f"{i}") for i in range(256)]
    assert len(RowBlockCoder().encode(pack(0, rows))) < 20 * len(rows)


key_of = partial(Question().key, "fake 1")


def blocks_of(rows: list[ManifestRow], shards: int) -> dict[int, list[RowBlock]]:
    """Pack one bundle of rows into blocks, as a runner does: shard -> its blocks."""
    step = BlockByShard(key_of, shards)
    step.start_bundle()
    blocks = [block for each in rows for block in step.process(each)]
    blocks += [late.value for late in step.finish_bundle() if isinstance(late, WindowedValue)]
    found = defaultdict(list)
    for shard, block in blocks:
        found[shard].append(block)
    return found


@given(st.lists(st.integers(0, 9999), max_size=50), st.integers(1, 20))
def test_every_row_is_in_one_block_of_its_shard(numbers: list[int], shards: int) -> None:
    """Each shard gets exactly its own rows, duplicates included, bucket by bucket and in their order."""
    found = blocks_of([row(number) for number in numbers], shards)
    assert set(found) <= set(range(shards))
    for shard in range(shards):
        own = [each for each in map(row, numbers) if bucket_of(key_of(each)) % shards == shard]
        own.sort(key=lambda each: bucket_of(key_of(each)))
        assert [each for rows in unpack_in_turn(found.get(shard, [])) for each in rows] == own


def test_blocks_are_bounded() -> None:
    """Rows fill whole blocks and one more for the rest; no block is empty."""
    rows = [row(1)] * 2 * ROWS_A_BLOCK
    assert [len(block.rows) for block in blocks_of(rows, 1)[0]] == [ROWS_A_BLOCK] * 2
    assert [len(block.rows) for block in blocks_of([*rows, row(1)], 1)[0]] == [ROWS_A_BLOCK] * 2 + [1]


def test_few_rows_are_unpacked_at_a_time() -> None:
    """Whole buckets are unpacked in their order, and each batch of them ends once it has enough rows."""
    full = [row(1)] * (ROWS_AT_A_TIME - 1)
    blocks = [pack(9, [row(9)]), pack(2, full), pack(1, [row(2)]), pack(9, [row(9)]), pack(2, [row(3)])]
    turns = [[*unpacked] for unpacked in unpack_in_turn(blocks)]
    assert turns == [[row(2), *full, row(3)], [row(9), row(9)]]
    assert list(unpack_in_turn([])) == []


def test_a_bundle_starts_without_the_rows_of_the_last() -> None:
    """Rows of a bundle that the runner gave up do not come out of the next bundle."""
    step = BlockByShard(key_of, 1)
    step.start_bundle()
    assert list(step.process(row(1))) == []
    step.start_bundle()
    assert list(step.finish_bundle()) == []


def test_a_url_s_shard_is_the_same_in_every_process() -> None:
    """Another process, whose `hash()` has another salt, finds the same shards for a hundred URLs."""
    urls = [f"https://example.com/ü/{i}.jpg" for i in range(100)]
    script = (
        "import sys; from facebeam.schemas.request_key import *; from facebeam.schemas.values import *; "
        "print([bucket_of(request_key('fake 1', ImageRequest(u))) for u in sys.argv[1:]])"
    )
    seed = "1" if os.environ.get("PYTHONHASHSEED") != "1" else "2"
    told = subprocess.run(
        [sys.executable, "-c", script, *urls],
        env=os.environ | {"PYTHONHASHSEED": seed},
        capture_output=True,
        text=True,
        check=True,
    )
    shards = [bucket_of(request_key("fake 1", ImageRequest(url))) for url in urls]
    assert told.stdout == f"{shards}\n"
    assert len(set(shards)) > 50
