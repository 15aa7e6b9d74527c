"""Answers reach the disk while a run goes on, and stay there however the run ends."""

import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from facebeam.schemas.errors import RunError
from facebeam.transforms.journal.compact import MOST_SMALL_SEGMENTS
from facebeam.transforms.journal.journal import Journal
from facebeam.transforms.journal.journal_writer import MERGE_AT
from tests.helpers.journal_entries import REQUEST, answer, key_of, segments, stored_keys, write
from tests.helpers.journal_process import journal_process
from tests.helpers.waiting import DEADLINE_S, wait_until


def test_a_kill_takes_nothing_that_was_written(tmp_path: Path) -> None:
    """Answers that the journal's timer has written survive SIGKILL of a process that never flushed itself."""
    keys = [key_of(number) for number in range(100)]
    with journal_process("record_and_wait", tmp_path) as process:
        wait_until(lambda: len(stored_keys(tmp_path, keys)) == len(keys))
        process.kill()
    assert stored_keys(tmp_path, keys) == set(keys)


def test_a_kill_at_full_speed_leaves_no_torn_segment(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Every answer that a process reported as flushed is there after SIGKILL, and every segment is whole."""
    with journal_process("record_endlessly", tmp_path) as process:
        assert process.stdout
        for _ in range(30):
            flushed = int(process.stdout.readline())
        process.kill()
        rest = process.stdout.read().split()
    keys = [
        key_of(number, bucket=number % 2) for number in range(1, (int(rest[-1]) if rest else flushed) + 1)
    ]
    assert process.returncode == -signal.SIGKILL
    assert stored_keys(tmp_path, keys) == set(keys)
    assert caplog.records == []


def test_a_kill_in_the_middle_of_a_segment_leaves_none(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A process that dies while it writes a segment leaves a file whose name readers ignore."""
    with journal_process("die_while_writing", tmp_path) as process:
        assert process.wait(DEADLINE_S) == -signal.SIGXFSZ
    assert [path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()] == [64]
    assert stored_keys(tmp_path, [key_of(0)]) == set()
    assert caplog.records == []


def test_two_processes_write_at_once(tmp_path: Path) -> None:
    """Two processes that write to one bucket, partly with the same keys, lose nothing."""
    with (
        journal_process("record_some", tmp_path, 0) as one,
        journal_process("record_some", tmp_path, 500) as other,
    ):
        assert (one.wait(DEADLINE_S), other.wait(DEADLINE_S)) == (0, 0)
    keys = [key_of(number, bucket=0) for number in range(1500)]
    found = [key for key, _ in Journal(str(tmp_path)).stored(keys)]
    assert sorted(found) == sorted(keys)


def test_a_full_disk_is_said_and_nothing_more_accepted(tmp_path: Path) -> None:
    """After a failed write in the background, `record`, `flush` and the exit raise an error with the path."""
    with journal_process("record_on_full_disk", tmp_path) as process:
        assert process.stdout
        complaints = process.stdout.read().splitlines()
        assert process.wait(DEADLINE_S) == 1
    assert len(complaints) == 2
    assert all(str(tmp_path) in complaint and "space" in complaint for complaint in complaints)
    assert [file for file in tmp_path.rglob("*") if file.is_file()] == []


def test_a_journal_that_cannot_be_written(tmp_path: Path) -> None:
    """If the first flush fails, each later flush, record and close raises an error with the same path."""
    (tmp_path / "file").write_bytes(b"")
    with ExitStack() as stack:
        writer = stack.enter_context(Journal(str(tmp_path / "file" / "journal")).open(flush_every_s=3600))
        writer.record(key_of(0), REQUEST, answer())
        record = partial(writer.record, key_of(1), REQUEST, answer())
        for call in (writer.flush, writer.flush, record, stack.close, record):
            with pytest.raises(RunError, match="file/journal"):
                call()


def test_a_full_buffer_does_not_wait_for_the_clock(tmp_path: Path) -> None:
    """Five hundred results are written at once, however long the flush interval is."""
    keys = [key_of(number, bucket=number % 3) for number in range(500)]
    with Journal(str(tmp_path)).open(flush_every_s=3600) as writer:
        for key in keys:
            writer.record(key, REQUEST, answer())
        wait_until(lambda: len(stored_keys(tmp_path, keys)) == len(keys))


def test_a_flush_writes_one_segment_a_bucket(tmp_path: Path) -> None:
    """A flush with results of three buckets writes one segment per bucket; a flush without results none."""
    with Journal(str(tmp_path)).open(flush_every_s=3600) as writer:
        for number in range(30):
            writer.record(key_of(number, bucket=number % 3), REQUEST, answer())
        writer.flush()
        assert [path.parent.name for path in segments(tmp_path)] == ["bucket=000", "bucket=001", "bucket=002"]
        writer.flush()
    assert len(segments(tmp_path)) == 3


def recorded(path: Path, flushes: int) -> list[bytes]:
    """Record and flush one answer after the other, all of bucket 0; give their keys."""
    keys = [key_of(number, bucket=0) for number in range(flushes)]
    with Journal(str(path)).open(flush_every_s=3600) as writer:
        for key in keys:
            writer.record(key, REQUEST, answer())
            writer.flush()
    return keys


def test_a_writer_merges_its_own_segments_at_its_end(tmp_path: Path) -> None:
    """A writer that ends leaves few segments per bucket, and does not touch those of others."""
    others = [write(tmp_path, [key_of(number, bucket=0)]) for number in range(100, 100 + MOST_SMALL_SEGMENTS)]
    recorded(tmp_path / "few", MOST_SMALL_SEGMENTS)
    assert len(segments(tmp_path / "few")) == MOST_SMALL_SEGMENTS
    keys = recorded(tmp_path, MOST_SMALL_SEGMENTS + 1)
    assert len(segments(tmp_path)) == len(others) + 1
    assert {*others} < {*segments(tmp_path)}
    assert stored_keys(tmp_path, keys) == set(keys)


def test_a_writer_merges_while_it_goes_on(tmp_path: Path) -> None:
    """A writer that flushes often merges what it wrote when there are many segments."""
    with Journal(str(tmp_path)).open(flush_every_s=0.01) as writer:
        for number in range(MERGE_AT + 1):
            writer.record(key_of(number, bucket=0), REQUEST, answer())
            writer.flush()
        wait_until(lambda: len(segments(tmp_path)) <= 2)


def test_what_is_written_during_a_merge_is_merged_later(tmp_path: Path) -> None:
    """A writer still knows the segments that another thread writes while it merges earlier ones."""
    with Journal(str(tmp_path)).open(flush_every_s=0.001) as writer:
        for number in range(20 * MERGE_AT):
            writer.record(key_of(number, bucket=0), REQUEST, answer())
            writer.flush()
    assert len(segments(tmp_path)) == 1


def test_a_merge_that_a_reader_has_made_is_no_error(tmp_path: Path) -> None:
    """A reader may merge a writer's segments first; the writer then leaves them as they are."""
    keys = [key_of(number, bucket=0) for number in range(MOST_SMALL_SEGMENTS + 1)]
    with Journal(str(tmp_path)).open(flush_every_s=3600) as writer:
        for key in keys:
            writer.record(key, REQUEST, answer())
            writer.flush()
        assert stored_keys(tmp_path, keys) == set(keys)
        merged = segments(tmp_path)
    assert (len(merged), segments(tmp_path)) == (1, merged)
    assert stored_keys(tmp_path, keys) == set(keys)


def test_many_threads_record(tmp_path: Path) -> None:
    """Results that eight threads record during flushes are all stored."""
    keys = [key_of(number, bucket=number % 2) for number in range(4000)]
    with Journal(str(tmp_path)).open(flush_every_s=0.01) as writer, ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: writer.record(key, REQUEST, answer()), keys))
    assert stored_keys(tmp_path, keys) == set(keys)


def test_results_that_come_late_are_written(tmp_path: Path) -> None:
    """A result that comes after the writer was closed is stored, since the call has been paid for."""
    with Journal(str(tmp_path)).open() as writer:
        pass
    writer.record(key_of(0), REQUEST, answer())
    assert stored_keys(tmp_path, [key_of(0)]) == {key_of(0)}


def test_an_error_in_the_block_loses_nothing(tmp_path: Path) -> None:
    """An exception in the block passes on, and the results recorded before it are written."""

    def run() -> None:
        with Journal(str(tmp_path)).open() as writer:
            writer.record(key_of(0), REQUEST, answer())
            raise KeyError

    with pytest.raises(KeyError):
        run()
    assert stored_keys(tmp_path, [key_of(0)]) == {key_of(0)}
