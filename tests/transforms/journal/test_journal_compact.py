"""Many small segments become one, and every answer is on disk at every moment."""

import logging
import shutil
import signal
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from facebeam.schemas.values import Face
from facebeam.transforms.journal.compact import LARGEST_MERGED_BYTES, MOST_SMALL_SEGMENTS
from facebeam.transforms.journal.entries import Entry, encode_entries
from facebeam.transforms.journal.journal import Journal
from facebeam.transforms.journal.segments import write_segment
from tests.helpers.journal_entries import NOON, answer, key_of, segments, stored_keys, write
from tests.helpers.journal_process import journal_process
from tests.helpers.values import ANSWER
from tests.helpers.waiting import DEADLINE_S

MANY = MOST_SMALL_SEGMENTS + 1
KEYS = [key_of(number, bucket=0) for number in range(MANY)]


def many_segments(path: Path, number: int = MANY) -> list[Path]:
    """Write one segment per key, for the first `number` keys."""
    return [write(path, [key]) for key in KEYS[:number]]


def test_many_become_one(tmp_path: Path) -> None:
    """A lookup merges a bucket's segments into one with all answers, also of keys that nobody asked for."""
    many_segments(tmp_path)
    before = pq.read_table(tmp_path).sort_by("key_bits")
    assert stored_keys(tmp_path, KEYS[:1]) == {KEYS[0]}
    assert len(segments(tmp_path)) == 1
    assert pq.read_table(tmp_path).sort_by("key_bits").equals(before)


def test_few_stay(tmp_path: Path) -> None:
    """A lookup changes nothing when the bucket has no more small segments than allowed."""
    many_segments(tmp_path, MOST_SMALL_SEGMENTS)
    before = segments(tmp_path)
    assert stored_keys(tmp_path, KEYS) == set(KEYS[:-1])
    assert segments(tmp_path) == before


def test_the_newest_entry_is_kept(tmp_path: Path) -> None:
    """A merged segment has the newest entry of a key and none of the older ones."""
    for hours in range(MANY):
        write(tmp_path, KEYS[:1], NOON - timedelta(hours=hours))
    list(Journal(str(tmp_path)).stored(KEYS))
    assert pq.read_table(tmp_path)["answered_at"].to_pylist() == [NOON]


@pytest.mark.parametrize("deleted", [0, 1, MANY - 1])
def test_a_crash_leaves_entries_twice_and_harmless(tmp_path: Path, deleted: int) -> None:
    """When a crash leaves old segments beside the merged one, each key still comes out once."""
    old = many_segments(tmp_path / "journal")
    shutil.copytree(tmp_path / "journal", tmp_path / "copy")
    stored_keys(tmp_path / "journal", KEYS)
    for path in old[deleted:]:
        shutil.copy(tmp_path / "copy" / path.parent.name / path.name, path)
    found = [key for key, _ in Journal(str(tmp_path / "journal")).stored(KEYS)]
    assert sorted(found) == sorted(KEYS)


def test_killed_at_any_point_it_loses_nothing(tmp_path: Path) -> None:
    """A lookup that is killed by SIGKILL at any point of a merge loses no answer.

    The points are before the new file is opened or renamed, and before the first, third and last deletion.
    """
    points = [1, 2, 3, 5, 2 + MANY]
    for point in points:
        many_segments(tmp_path / str(point))
    with ExitStack() as ends:
        processes = [
            ends.enter_context(journal_process("look_up", tmp_path / str(point), point)) for point in points
        ]
        assert [process.wait(DEADLINE_S) for process in processes] == [-signal.SIGKILL] * len(points)
    for point in points:
        found = [key for key, _ in Journal(str(tmp_path / str(point))).stored(KEYS)]
        assert sorted(found) == sorted(KEYS), point
    left = {point: len(segments(tmp_path / str(point))) for point in points}
    assert left == {1: 1, 2: 1, 3: 1, 5: 8, 2 + MANY: 2}  # the last two have too few left for another merge


def test_on_a_full_disk_nothing_is_merged(tmp_path: Path) -> None:
    """On a full disk a lookup works, since it need not write, and every segment stays."""
    before = many_segments(tmp_path)
    with journal_process("look_up_on_full_disk", tmp_path) as process:
        assert process.wait(DEADLINE_S) == 0
    assert segments(tmp_path) == sorted(before)


def test_what_is_no_segment_is_not_deleted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """During a merge a torn segment is set aside and a foreign one stays, each with one warning."""
    torn, *_ = many_segments(tmp_path)
    torn.write_bytes(b"PAR1")
    foreign = torn.with_name("own.parquet")
    pq.write_table(pa.table({"a": [1]}), foreign)
    assert stored_keys(tmp_path, KEYS) == set(KEYS[1:])
    assert len(segments(tmp_path)) == 2
    assert foreign.exists()
    assert torn.with_name(f"_{torn.name}.torn").exists()
    assert len([entry for entry in caplog.records if entry.levelno == logging.WARNING]) == 2


def test_all_small_segments_are_merged_at_once(tmp_path: Path) -> None:
    """One lookup merges lots of segments, as many as there are, into segments of a limited size."""
    keys = [key_of(number, bucket=0) for number in range(20 * 1000)]
    for start in range(0, len(keys), 1000):
        results = [replace(answer(), faces=(noise(i),)) for i in range(1000)]
        pairs = zip(keys[start : start + 1000], results, strict=True)
        entries = [Entry(key, "url", result, NOON) for key, result in pairs]
        write_segment(f"{tmp_path}/bucket=000", encode_entries(entries))
    before = sum(path.stat().st_size for path in segments(tmp_path))
    assert stored_keys(tmp_path, keys[:5]) == set(keys[:5])
    sizes = [path.stat().st_size for path in segments(tmp_path)]
    assert len(sizes) == -(-before // LARGEST_MERGED_BYTES)
    assert max(sizes) <= LARGEST_MERGED_BYTES
    assert stored_keys(tmp_path, keys) == set(keys)


def noise(number: int) -> Face:
    """Give a face whose coordinates cannot be compressed."""
    return Face(np.random.default_rng(number).normal(size=(90, 2)).astype(np.float32))


def large_segment(path: Path, bucket: int) -> Path:
    """Write a segment that is too large to be merged."""
    rng = np.random.default_rng(bucket)
    faces = rng.normal(size=(6600, 90, 2)).astype(np.float32)
    results = [replace(ANSWER, faces=(Face(points),), answered_at=NOON) for points in faces]
    entries = [Entry(key_of(1000 + i, bucket=0), "url", result, NOON) for i, result in enumerate(results)]
    written = Path(write_segment(f"{path}/bucket=000", encode_entries(entries)).path)
    assert written.stat().st_size > LARGEST_MERGED_BYTES // 2
    return written


def test_large_segments_are_not_written_again(tmp_path: Path) -> None:
    """A large segment stays as it is while the small ones beside it are merged."""
    large = large_segment(tmp_path, bucket=0)
    many_segments(tmp_path)
    found = dict(Journal(str(tmp_path)).stored([*KEYS, key_of(1000, bucket=0)]))
    assert len(found) == MANY + 1
    assert large in segments(tmp_path)
    assert len(segments(tmp_path)) == 2


def test_merged_answers_are_the_same(tmp_path: Path) -> None:
    """After a merge each key has its own answer, not the answer of another key."""
    for number in range(MANY):
        entry = Entry(KEYS[number], "url", answer(number), NOON)
        write_segment(f"{tmp_path}/bucket=000", encode_entries([entry]))
    found = dict(Journal(str(tmp_path)).stored(KEYS))
    assert [found[key].trace_id for key in KEYS] == [f"trace-{number}" for number in range(MANY)]
