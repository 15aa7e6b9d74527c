"""Staging neither loses nor changes a row, and a URL has the same shard in every process."""

import itertools
import os
import pickle
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path

import pytest
from apache_beam.utils.windowed_value import WindowedValue
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from facebeam.schemas.errors import RunError
from facebeam.schemas.request_key import bucket_of, request_key
from facebeam.schemas.values import ImageRequest, ManifestRow
from facebeam.transforms.steps.questions import Question
from facebeam.transforms.steps.staged_rows import (
    BYTES_A_BUNDLE,
    BYTES_A_FILE,
    LARGEST_PART,
    LARGEST_PART_BYTES,
    ROWS_A_BLOCK,
    ROWS_AT_A_TIME,
    StagedRows,
    StageRows,
    lay_out,
    pack,
    unpack,
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


@given(st.lists(_ROWS, max_size=5))
def test_rows_are_the_same_after_packing(rows: list[ManifestRow]) -> None:
    """Unpacked rows are equal and of type ManifestRow, whatever values the manifest's columns have."""
    unpacked = list(unpack(pack(0, rows).packed * 2))
    assert unpacked == rows * 2
    assert all(type(each) is ManifestRow for each in unpacked)


def test_similar_urls_take_few_bytes() -> None:
    """In a block of similar URLs a row takes fewer than 20 bytes, a fraction of its URL."""
    rows = [ManifestRow(f"https://images.example.com/2030/01/{i:06d}.jpg", f"{i}") for i in range(256)]
    assert len(pack(0, rows).packed) < 20 * len(rows)


key_of = partial(Question().key, "fake 1")


def staged(rows: Iterable[ManifestRow], shards: int, folder: Path | None) -> dict[int, list[StagedRows]]:
    """Stage one bundle of rows, as a runner does: shard -> where its rows are."""
    step = StageRows(key_of, shards, str(folder) if folder else None)
    step.start_bundle()
    found = [each for row in rows for each in step.process(row)]
    found += [late.value for late in step.finish_bundle() if isinstance(late, WindowedValue)]
    shard_of = defaultdict(list)
    for shard, each in found:
        shard_of[shard].append(each)
    return shard_of


def rows_of(found: Iterable[StagedRows]) -> list[ManifestRow]:
    """Unpack all rows of a shard."""
    return [each for rows in unpack_in_turn(found) for each in rows]


@pytest.fixture(params=["in files", "in elements"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    """Give the folder of the files, or None if rows travel in the elements."""
    return tmp_path / "rows" if request.param == "in files" else None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(numbers=st.lists(st.integers(0, 9999), max_size=50), shards=st.integers(1, 20))
def test_every_row_is_once_in_its_shard(folder: Path | None, numbers: list[int], shards: int) -> None:
    """Each shard gets exactly its own rows, duplicates included, bucket by bucket and in their order."""
    found = staged(map(row, numbers), shards, folder)
    assert set(found) <= set(range(shards))
    for shard in range(shards):
        own = [each for each in map(row, numbers) if bucket_of(key_of(each)) % shards == shard]
        own.sort(key=lambda each: bucket_of(key_of(each)))
        assert rows_of(found.get(shard, [])) == own


def test_references_are_small_however_many_rows_there_are(tmp_path: Path) -> None:
    """What the engine shuffles takes a few bytes per bucket and file, and no bytes per row."""
    numbers = range(20 * 256)
    found = staged(map(row, numbers), 1, tmp_path)[0]
    assert len(pickle.dumps(found)) < 12_000
    assert sorted(each.image_url for each in rows_of(found)) == sorted(row(n).image_url for n in numbers)


def test_a_file_that_has_changed_is_not_unpacked(tmp_path: Path) -> None:
    """Bytes that somebody else has put into the staging folder are refused before they are unpickled."""
    found = staged([row(1)], 1, tmp_path)[0]
    (file,) = tmp_path.iterdir()
    file.write_bytes(pack(0, [row(2)]).packed)
    with pytest.raises(RunError, match="has changed since this run wrote it: start the run again"):
        rows_of(found)


def test_a_bundle_of_many_bytes_writes_several_files(tmp_path: Path) -> None:
    """Blocks do not wait in memory until the end of a bundle; files of several bundles are read together."""
    large = BYTES_A_FILE // ROWS_A_BLOCK
    many = [row(1)._replace(columns=(os.urandom(large),)) for _ in range(2 * ROWS_A_BLOCK)]
    found = staged([*many, row(2)], 1, tmp_path)[0] + staged([row(1)], 1, tmp_path)[0]
    assert len({each.path for each in found}) == len(list(tmp_path.iterdir())) == 4
    assert sorted(rows_of(found)) == sorted([*many, row(2), row(1)])


def test_large_rows_do_not_wait_until_their_blocks_are_full(tmp_path: Path) -> None:
    """Rows of many buckets are staged when their bytes are many, although no bucket has a block's rows."""
    columns = (os.urandom(1 << 20),)
    many = [row(number)._replace(columns=columns) for number in range(3 * BYTES_A_BUNDLE >> 20)]
    step = StageRows(key_of, 1, str(tmp_path))
    step.start_bundle()
    found = [each for _, each in itertools.chain.from_iterable(map(step.process, many))]
    rest = len(many) - len(rows_of(found))
    assert 0 <= rest * len(columns[0]) < BYTES_A_BUNDLE + BYTES_A_FILE
    assert len(found) > 1


def test_few_large_rows_are_unpacked_at_a_time(tmp_path: Path) -> None:
    """Rows whose bytes are many come in several lists; so do those of one bucket, equal images together."""
    few = LARGEST_PART_BYTES >> 20
    urls = [number for number in range(60_000) if bucket_of(key_of(row(number))) == 7][: few // 2 + 1]
    numbers = [*urls, *urls, *range(60_000, 60_000 + few)]
    found = staged((row(number, bytes(1 << 20)) for number in numbers), 1, tmp_path)[0]
    turns = [Counter(each.image_url for each in rows) for rows in unpack_in_turn(found)]
    assert sum(map(Counter.total, turns)) == len(numbers)
    assert max(map(Counter.total, turns)) < few
    assert sum(map(len, turns)) == len(set().union(*turns))


def test_few_rows_are_unpacked_at_a_time() -> None:
    """Whole buckets are unpacked in their order, and each batch of them ends once it has enough rows."""
    full = [row(1)] * (ROWS_AT_A_TIME - 1)
    spans, content = lay_out([pack(9, [row(9)]), pack(2, full), pack(1, [row(2)]), pack(9, [row(9)])])
    turns = list(unpack_in_turn([StagedRows(spans, content=content)] * 2))
    assert turns == [[row(2), row(2), *full, *full], [row(9)] * 4]
    assert list(unpack_in_turn([])) == []


def test_a_large_bucket_is_unpacked_in_parts() -> None:
    """The rows of a bucket that memory could not hold come in several lists, equal images in one of them."""
    urls = 2 * LARGEST_PART
    rows = [row(number) for number in range(urls) for _ in range(2)]
    spans, content = lay_out([pack(0, rows)])
    turns = list(unpack_in_turn([StagedRows(spans, content=content)]))
    assert sorted(each for turn in turns for each in turn) == sorted(rows)
    assert len(turns) == 4
    assert all(len(turn) < 1.5 * LARGEST_PART for turn in turns)
    assert sum(len(set(turn)) for turn in turns) == urls


def test_a_bundle_starts_without_the_rows_of_the_last(folder: Path | None) -> None:
    """Rows of a bundle that the runner gave up do not come out of the next bundle."""
    step = StageRows(key_of, 1, str(folder) if folder else None)
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
