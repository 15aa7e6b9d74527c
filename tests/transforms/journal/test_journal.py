"""Lookups of answers that earlier runs have paid for."""

import logging
import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import chdir
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from facebeam.schemas.errors import RunError
from facebeam.schemas.values import Answer, Failure
from facebeam.transforms.journal.compact import MOST_SMALL_SEGMENTS
from facebeam.transforms.journal.entries import ENTRIES, VERSION_KEY
from facebeam.transforms.journal.journal import Journal
from facebeam.transforms.journal.older_entries import OLDER_ENTRIES
from tests.helpers.journal_entries import (
    NOON,
    REQUEST,
    answer,
    key_of,
    reject,
    segments,
    stored_keys,
    write,
    write_newer,
)

KEYS = [key_of(number, bucket=0) for number in range(5)]


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Give the messages of all warnings."""
    return [entry.getMessage() for entry in caplog.records if entry.levelno == logging.WARNING]


def test_an_empty_journal(tmp_path: Path) -> None:
    """A missing journal folder holds no answer, and a lookup does not create it."""
    assert stored_keys(tmp_path / "new", KEYS) == set()
    assert not (tmp_path / "new").exists()


def test_only_wanted_keys_come_out(tmp_path: Path) -> None:
    """A lookup gives only the keys asked for, not other keys of the same segment or of other buckets."""
    write(tmp_path, KEYS)
    write(tmp_path, [key_of(9, bucket=7)])
    assert stored_keys(tmp_path, [KEYS[3], key_of(8, bucket=0), key_of(9, bucket=200)]) == {KEYS[3]}


@pytest.mark.parametrize("newer_first", [True, False])
def test_the_newest_entry_counts(tmp_path: Path, *, newer_first: bool) -> None:
    """A key in several segments comes out once, with the newest entry, whatever the order of the files."""
    times = [NOON, NOON - timedelta(days=1), NOON - timedelta(days=2)]
    for at in times if newer_first else reversed(times):
        write(tmp_path, KEYS, at)
    found = [*Journal(str(tmp_path)).stored(KEYS)]
    assert sorted(key for key, _ in found) == sorted(KEYS)
    assert {result.answered_at for _, result in found if isinstance(result, Answer)} == {NOON}


def test_old_answers_do_not_count(tmp_path: Path) -> None:
    """An answer older than the allowed age is ignored; a younger one with the same key is used."""
    now = datetime.now(UTC)
    write(tmp_path, KEYS, now - timedelta(days=31))
    write(tmp_path, KEYS[:2], now - timedelta(days=29))
    month = Journal(str(tmp_path), max_age_s=30 * 24 * 3600)
    assert {key for key, _ in month.stored(KEYS)} == set(KEYS[:2])
    assert stored_keys(tmp_path, KEYS) == set(KEYS)


def test_keys_may_change_while_results_stream(tmp_path: Path) -> None:
    """The caller may remove keys from its own collection while their results arrive."""
    asked = dict.fromkeys([*KEYS, key_of(0, bucket=9)])
    write(tmp_path, KEYS)
    for key, _ in Journal(str(tmp_path)).stored(asked.keys()):
        del asked[key]
    assert [*asked] == [key_of(0, bucket=9)]


def emptied(_: bytes) -> bytes:
    """Give an empty file."""
    return b""


def cut(data: bytes) -> bytes:
    """Remove the last byte."""
    return data[:-1]


def halved(data: bytes) -> bytes:
    """Give the first half, which an interrupted copy can leave."""
    return data[: len(data) // 2]


def other_text(_: bytes) -> bytes:
    """Give text instead of Parquet."""
    return b"image_url\n"


def zeros(data: bytes) -> bytes:
    """Give only zeros, which a power failure can leave."""
    return bytes(len(data))


def flipped(data: bytes) -> bytes:
    """Flip one bit in the coordinates, which changes their values."""
    packed = pq.ParquetFile(pa.BufferReader(data)).metadata.row_group(0).column(0)
    at = packed.data_page_offset + packed.total_compressed_size // 2
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


DAMAGES: list[Callable[[bytes], bytes]] = [
    emptied,
    cut,
    halved,
    other_text,
    zeros,
    flipped,
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_segments_are_set_aside(
    tmp_path: Path, damage: Callable[[bytes], bytes], caplog: pytest.LogCaptureFixture
) -> None:
    """A damaged segment is renamed once, with one warning; the other segments are read."""
    write(tmp_path, KEYS[:2])
    torn = write(tmp_path, KEYS[2:])
    damaged = damage(torn.read_bytes())
    torn.write_bytes(damaged)
    assert stored_keys(tmp_path, KEYS) == set(KEYS[:2])
    assert stored_keys(tmp_path, KEYS) == set(KEYS[:2])
    (warning,) = warnings(caplog)
    assert str(torn) in warning
    assert torn.with_name(f"_{torn.name}.torn").read_bytes() == damaged


def test_foreign_parquet_is_left_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A Parquet file of another kind causes a warning, and is neither read nor changed."""
    write(tmp_path, KEYS)
    foreign = tmp_path / "bucket=000" / "own.parquet"
    pq.write_table(pa.table({"key": KEYS}), foreign)
    before = foreign.read_bytes()
    assert stored_keys(tmp_path, KEYS) == set(KEYS)
    assert foreign.read_bytes() == before
    (warning,) = warnings(caplog)
    assert str(foreign) in warning


def test_a_newer_version_ends_the_run(tmp_path: Path) -> None:
    """A segment of a newer facebeam ends the run; if it were skipped, its answers would be paid for twice."""
    write_newer(tmp_path / "bucket=000" / "new.parquet")
    with pytest.raises(RunError, match=r"new\.parquet.*newer.*upgrade"):
        stored_keys(tmp_path, KEYS)


def test_unfinished_and_other_files_are_no_segments(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Unfinished files, other files and segments outside the bucket folders are ignored without a warning."""
    path = write(tmp_path, KEYS)
    (tmp_path / "copy").mkdir()
    path.rename(tmp_path / "copy" / path.name)
    (path.parent / "_abc.unfinished").write_bytes(b"PAR1")
    (tmp_path / "README").write_text("mine")
    assert stored_keys(tmp_path, KEYS) == set()
    assert warnings(caplog) == []


@pytest.mark.parametrize("name", ["a[1]", "[x]*", "?", "what {a,b}", "größe #1?x=%20"])
def test_folders_may_be_called_anything(tmp_path: Path, name: str) -> None:
    """A folder name that looks like a glob works: write, read and compact, absolute and relative."""
    with chdir(tmp_path):
        for path in (tmp_path / name / "j", Path(name)):
            Journal(str(path)).check_writable()
            for number in range(70):
                write(path, [key_of(number, bucket=0)])
            assert len(stored_keys(path, (key_of(number, bucket=0) for number in range(70)))) == 70
            assert len(list(path.glob("bucket=000/*"))) == 1


def test_readers_that_compact_at_once_lose_nothing(tmp_path: Path) -> None:
    """Readers that compact at the same time lose nothing: a reader that misses merged files lists again."""
    keys = [key_of(number, bucket=0) for number in range(150)]
    for key in keys:
        write(tmp_path, [key])
    with ThreadPoolExecutor(6) as pool:
        found = pool.map(lambda _: stored_keys(tmp_path, keys), range(8))
    assert [len(one) for one in found] == [150] * 8


def test_a_segment_that_is_never_there_ends_the_run(tmp_path: Path) -> None:
    """A listed segment that cannot be found ends the run; the reader does not look for it for ever."""
    (tmp_path / "bucket=000").mkdir()
    (tmp_path / "bucket=000" / "a.parquet").symlink_to(tmp_path / "nothing")
    with pytest.raises(RunError, match=r"a\.parquet"):
        stored_keys(tmp_path, KEYS)


def test_a_file_in_the_way_is_said(tmp_path: Path) -> None:
    """A journal below a regular file can be neither read nor written, and both errors name the path."""
    (tmp_path / "file").write_bytes(b"")
    journal = Journal(str(tmp_path / "file" / "journal"))
    with pytest.raises(RunError, match="file/journal"):
        journal.check_writable()
    with pytest.raises(RunError, match="file/journal"):
        list(journal.stored(KEYS))


def test_checking_leaves_no_file(tmp_path: Path) -> None:
    """The write check creates the journal's folder and leaves no file in it."""
    Journal(str(tmp_path / "new")).check_writable()
    assert list((tmp_path / "new").iterdir()) == []


def test_a_journal_travels(tmp_path: Path) -> None:
    """A pickled journal equals the original, and a trailing slash in its path makes no difference."""
    journal = Journal(f"{tmp_path}/", max_age_s=1.5)
    assert pickle.loads(pickle.dumps(journal)) == journal  # noqa: S301 - our own
    with journal.open() as writer:
        writer.record(KEYS[0], REQUEST, answer())
    assert len(segments(tmp_path)) == 1


def test_the_version_stands_in_the_file(tmp_path: Path) -> None:
    """A segment has the journal's schema and its version, so that a later facebeam knows what it reads."""
    assert pq.read_schema(write(tmp_path, KEYS)).metadata[VERSION_KEY] == b"4"
    assert pq.read_schema(segments(tmp_path)[0]).equals(ENTRIES)


@pytest.mark.parametrize("version", [1, 2, 3])
def test_segments_of_older_versions_are_read(tmp_path: Path, version: int) -> None:
    """Results that an older facebeam stored count, alone, beside new ones, and after merging with them."""
    expected: dict[bytes, Answer | Failure] = {
        KEYS[0]: replace(answer(), attempts=0, latency_ms=None, from_journal=True),
        KEYS[1]: replace(reject(), was_sent=False),
    }
    folder = tmp_path / "bucket=000"
    folder.mkdir()
    older = pa.Table.from_pylist([*map(older_row, expected.items())], schema=OLDER_ENTRIES[version - 1])
    pq.write_table(older.replace_schema_metadata({VERSION_KEY: str(version)}), folder / "old.parquet")
    assert dict(Journal(str(tmp_path)).stored(KEYS)) == expected
    for _ in range(MOST_SMALL_SEGMENTS + 1):
        write(tmp_path, KEYS[2:3])
    for _ in range(2):
        found = dict(Journal(str(tmp_path)).stored(KEYS))
        assert {key: found[key] for key in KEYS[:2]} == expected
        assert found.keys() == set(KEYS[:3])
    assert len(segments(tmp_path)) == 1


def older_row(stored: tuple[bytes, Answer | Failure]) -> dict[str, object]:
    """Give a result as a row of the older versions, without the columns of only some of them."""
    key, result = stored
    if isinstance(result, Answer):
        columns: dict[str, object] = {"outcome": "ok", "faces": result.faces[0].points.ravel().tolist()}
    else:
        columns = {"error_code": result.code}
    names = {name for schema in OLDER_ENTRIES for name in schema.names} - {"faces", "faces_cut"}
    of_result = {name: getattr(result, name) for name in names if hasattr(result, name)}
    return {**of_result, **columns, "key": key, "image_url": "u", "attempts": 3, "answered_at": NOON}
