"""A look-up of few keys reads little of a large journal, and finds what reading it whole finds."""

import logging
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from facebeam.transforms.journal.entries import Entry, encode_entries
from facebeam.transforms.journal.journal import Journal
from facebeam.transforms.journal.segments import write_segment
from tests.helpers.journal_entries import NOON, answer, key_of, reject, segments, stored_keys

ENTRIES = 3_000
"""Of each segment."""
SEGMENTS = 3
KEYS = [key_of(number, bucket=0) for number in range(ENTRIES * SEGMENTS)]
FEW = KEYS[::100]


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """Make a journal of one bucket with large segments; one result in a thousand is a failure."""
    for start in range(0, len(KEYS), ENTRIES):
        numbers = range(start, start + ENTRIES)
        results = [reject() if number % 1000 == 0 else answer(number) for number in numbers]
        entries = [
            Entry(KEYS[number], "url", result, NOON) for number, result in zip(numbers, results, strict=True)
        ]
        write_segment(f"{tmp_path}/bucket=000", encode_entries(entries))
    return tmp_path


def bytes_read() -> int:
    """Give the bytes that this process has read from files, as the kernel counts them."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return int(lines[0].removeprefix("rchar: "))


@pytest.mark.parametrize(("keys", "share"), [(FEW, 0.08), ([key_of(-1, bucket=0)], 0.04)])
def test_a_look_up_reads_little(journal: Path, keys: list[bytes], share: float) -> None:
    """One key in a hundred takes at most 8 % of the bytes; a key that is not there takes 4 %."""
    whole = sum(path.stat().st_size for path in segments(journal))
    before = bytes_read()
    found = dict(Journal(str(journal)).stored(keys))
    read = bytes_read() - before
    assert found.keys() == {*keys} & {*KEYS}
    assert read <= share * whole


def test_it_finds_what_reading_it_whole_finds(journal: Path) -> None:
    """Every key has the same result, whether few keys are looked up or all of them."""
    everything = dict(Journal(str(journal)).stored(KEYS))
    assert len(everything) == len(KEYS)
    assert dict(Journal(str(journal)).stored(FEW)) == {key: everything[key] for key in FEW}


@pytest.mark.parametrize("compression", ["none", "zstd"])
def test_a_segment_that_a_person_wrote_again_is_read(journal: Path, compression: str) -> None:
    """A user deletes rows of a segment with pyarrow, as the README says; the others are found."""
    for path in segments(journal):
        table = pq.read_table(path)
        pq.write_table(table.slice(1), path, compression=compression)
        assert path.stat().st_size > 100_000
    gone = set(KEYS) - stored_keys(journal, KEYS)
    assert len(gone) == SEGMENTS
    assert stored_keys(journal, FEW) == set(FEW) - gone


def flip(path: Path, place: Callable[[bytes], int]) -> None:
    """Flip one bit of a file."""
    data = bytearray(path.read_bytes())
    data[place(bytes(data))] ^= 1
    path.write_bytes(data)


def test_a_damaged_entry_is_found(journal: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A flipped bit in a wanted entry never becomes an answer: its segment is set aside, with a warning."""
    damaged = next(path for path in segments(journal) if FEW[0] in path.read_bytes())
    flip(damaged, lambda data: data.index(FEW[0]) + 50)
    assert stored_keys(journal, FEW) == set(FEW) - set(KEYS[:ENTRIES])
    assert [entry.levelname for entry in caplog.records if entry.levelno == logging.WARNING] == ["WARNING"]
    assert damaged not in segments(journal)


def test_a_damaged_index_loses_nothing(journal: Path, caplog: pytest.LogCaptureFixture) -> None:
    """If only the column that finds the entries is damaged, the entries themselves are read."""
    for path in segments(journal):
        flip(path, index_of)
    assert stored_keys(journal, FEW) == set(FEW)
    assert caplog.records == []


def index_of(data: bytes) -> int:
    """Give a place in the column that tells the keys of all entries."""
    column = pq.ParquetFile(pa.BufferReader(data)).metadata.row_group(0).column(8)
    assert column.path_in_schema == "key_bits"
    return int(column.data_page_offset + column.total_compressed_size // 2)
