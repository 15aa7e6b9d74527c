"""A manifest file is split into parts, which together give the whole file."""

import gzip
import os
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facebeam.transforms.manifest.inspect_manifest import inspect_manifest
from facebeam.transforms.manifest.lines import MAX_LINE_BYTES
from facebeam.transforms.manifest.manifest_file import ManifestError, ManifestPart, Record
from facebeam.transforms.manifest.read_records import read_records, split_manifest
from tests.helpers.manifests import URL, write


def split_records(path: Path, part_bytes: int) -> tuple[list[ManifestPart], list[Record]]:
    """Split a file and read its parts in their order."""
    manifest = inspect_manifest([str(path)])
    parts = list(split_manifest(manifest.files[0], part_bytes))
    return parts, [record for part in parts for record in read_records(part, manifest.columns)]


LINES = st.lists(
    st.sampled_from(["", " ", URL, f"{URL}?ü", "\udcff", "nowhere", '{"image_url": "x"}', '{"image_url":']),
    max_size=12,
)


@given(
    LINES,
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from(["", "\ufeff"]),
    st.integers(1, 200),
    st.sampled_from(["txt", "jsonl"]),
)
def test_parts_give_the_lines_of_the_whole(
    lines: list[str],
    end: str,
    mark: str,
    part_bytes: int,
    ending: str,
) -> None:
    """Parts of any size together give the records of the whole file, with the file's line numbers."""
    content = (mark + end.join(["{}", *lines])).encode("utf-8", "surrogateescape")
    with TemporaryDirectory() as folder:
        path = write(Path(folder) / f"a.{ending}", content)
        manifest = inspect_manifest([str(path)])
        whole = list(read_records(ManifestPart(manifest.files[0]), manifest.columns))
        parts, records = split_records(path, part_bytes)
    assert records == whole
    assert len(parts) <= max(1, len(content) // part_bytes + 1)


@given(st.integers(0, 40), st.integers(1, 9), st.integers(1, 1000))
def test_parts_give_the_rows_of_the_whole(count: int, row_group_size: int, part_bytes: int) -> None:
    """A Parquet file is split between row groups, and its rows keep their numbers."""
    urls = pa.array([f"{URL}?{i}" for i in range(count)], pa.string())
    with TemporaryDirectory() as folder:
        path = Path(folder) / "a.parquet"
        pq.write_table(pa.table({"image_url": urls}), path, row_group_size=row_group_size)
        _, records = split_records(path, part_bytes)
    assert [(record.number, record.image_url) for record in records] == list(
        enumerate(urls.to_pylist(), start=1)
    )


def test_large_text_has_several_parts(tmp_path: Path) -> None:
    """A large text has many parts, and a Parquet file up to one part per row group.

    Each part of a text, except the last, has at least the number of bytes asked for.
    """
    path = write(tmp_path / "a.txt", f"{URL}\n" * 1000)
    parts, _ = split_records(path, 1000)
    assert len(parts) > 20
    assert all((part.stop or 0) - part.start >= 1000 for part in parts[:-1])
    pq.write_table(pa.table({"image_url": [URL] * 100}), tmp_path / "a.parquet", row_group_size=10)
    assert len(split_records(tmp_path / "a.parquet", 1)[0]) == 10


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.txt.gz", "a.jsonl.gz"])
def test_what_cannot_be_entered_is_one_part(tmp_path: Path, name: str) -> None:
    """A csv, tsv or .gz is one part: quoted line ends and compression leave no place to cut at."""
    line = f'{{"image_url": "{URL}"}}\n' if ".jsonl" in name else f"{URL}\n"
    content = b"" if ".jsonl" in name else b"image_url\n"
    content += line.encode() * 1000
    path = write(tmp_path / name, gzip.compress(content) if name.endswith("gz") else content)
    manifest = inspect_manifest([str(path)])
    assert list(split_manifest(manifest.files[0], 10)) == [ManifestPart(manifest.files[0])]


def test_file_that_vanished_stops_the_run(tmp_path: Path) -> None:
    """A file that has vanished since it was inspected ends the run, and the message names it."""
    path = write(tmp_path / "a.txt", URL)
    (file,) = inspect_manifest([str(path)]).files
    path.unlink()
    with pytest.raises(ManifestError, match=r"a\.txt: cannot be read .*: there is no such file"):
        list(split_manifest(file))
    with pytest.raises(ManifestError, match="no such file"):
        list(read_records(ManifestPart(file), pa.schema([])))


@pytest.mark.parametrize("now", ["", f"{URL}\n{URL}"])
def test_file_that_changed_stops_the_run(tmp_path: Path, now: str) -> None:
    """A file whose size changed since it was inspected ends the run, and the message has both sizes."""
    path = write(tmp_path / "a.txt", URL)
    (file,) = inspect_manifest([str(path)]).files
    write(path, now)
    with pytest.raises(
        ManifestError, match=f"had {len(URL)} bytes when the run began, now it has {len(now)}"
    ):
        list(split_manifest(file))


def test_file_that_is_written_to_stops_the_run(tmp_path: Path) -> None:
    """A file with a new time of change ends the run, before its parts are made and after each is read."""
    path = write(tmp_path / "a.txt", f"{URL}\n" * 3)
    (file,) = inspect_manifest([str(path)]).files
    records = read_records(ManifestPart(file), pa.schema([]))
    assert next(records).image_url == URL
    os.utime(path, ns=(0, 1))
    for entries in (records, split_manifest(file)):
        with pytest.raises(ManifestError, match=r"a\.txt: has changed since the run began: wait"):
            list(entries)


def test_endless_line_in_the_middle_is_named(tmp_path: Path) -> None:
    """A line over 16 MiB ends the run with its number, and is not read into memory."""
    path = write(tmp_path / "a.txt", f"{URL}\n{URL}\n{'x' * (MAX_LINE_BYTES + 50)}")
    (file,) = inspect_manifest([str(path)]).files
    with pytest.raises(ManifestError, match=r"a\.txt:3: a line over 16 MiB"):
        list(split_manifest(file, 10))
