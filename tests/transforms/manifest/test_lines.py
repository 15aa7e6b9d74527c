"""txt manifests, and rules for every text: line ends, marks, encodings, lengths, compression."""

import gzip
from pathlib import Path

import pytest

from facebeam.schemas.values import DeadLetter, ManifestRow, default_image_id
from facebeam.transforms.manifest.inspect_manifest import inspect_manifest
from facebeam.transforms.manifest.lines import MAX_LINE_BYTES, numbered_lines
from facebeam.transforms.manifest.manifest_file import ManifestError, ManifestPart
from facebeam.transforms.manifest.read_records import read_records
from tests.helpers.manifests import URL, letters, read, rows, write


def test_a_url_a_line(tmp_path: Path) -> None:
    """Each line is the URL of an image, whose id is the URL's digest."""
    path = write(tmp_path / "photos.txt", f"{URL}\nhttps://example.com/ü.jpg\n")
    assert rows(path) == [
        ManifestRow(URL, default_image_id(URL)),
        ManifestRow("https://example.com/ü.jpg", default_image_id("https://example.com/ü.jpg")),
    ]


@pytest.mark.parametrize(
    "content",
    [
        f"{URL}",
        f"{URL}\r\n",
        f"\ufeff{URL}\n",
        f"\n\n  \t\n{URL}\n\n",
        f"  {URL}\t \n",
        f"\ufeff\r\n{URL}",
    ],
)
def test_line_ends_marks_and_blanks_do_not_matter(tmp_path: Path, content: str) -> None:
    """CRLF, a byte order mark, blank lines and spaces around a URL change nothing."""
    assert [row.image_url for row in rows(write(tmp_path / "photos.txt", content))] == [URL]


@pytest.mark.parametrize("content", ["", "\n", "\ufeff", "\ufeff\n\r\n"])
@pytest.mark.parametrize("name", ["a.txt", "a.csv", "a.tsv", "a.jsonl"])
def test_empty_text_has_no_rows(tmp_path: Path, name: str, content: str) -> None:
    """A text file without content is a manifest of zero rows, also when compressed."""
    assert read(write(tmp_path / name, content)) == []
    assert read(write(tmp_path / f"{name}.gz", gzip.compress(b""))) == []


@pytest.mark.parametrize("codec", ["utf-16", "utf-16-be"])
@pytest.mark.parametrize("name", ["a.txt", "a.csv", "a.jsonl", "a.txt.gz"])
def test_utf_16_is_refused_with_the_cure(tmp_path: Path, name: str, codec: str) -> None:
    """A UTF-16 mark ends the run before it starts, and the message names iconv."""
    content = f"\ufeff{URL}".encode(codec) if codec == "utf-16-be" else URL.encode(codec)
    path = write(tmp_path / name, gzip.compress(content) if name.endswith("gz") else content)
    with pytest.raises(ManifestError, match=r"UTF-16.*iconv"):
        inspect_manifest([str(path)])


def test_bad_line_is_a_dead_letter_with_its_place(tmp_path: Path) -> None:
    """A line that is not a URL becomes a dead letter with its text; the message has file, line and rule."""
    path = write(tmp_path / "photos.txt", "\nnot a url?token=secret\n")
    (letter,) = letters(path)
    assert letter.row == ManifestRow("not a url?token=secret", default_image_id("not a url?token=secret"))
    assert letter.failure.code == "local_file_not_allowed"
    assert letter.failure.stage == "manifest"
    assert letter.failure.message.startswith(f"{path}:2: 'not a url' has no http:// or https://")


def test_bad_bytes_cost_one_line(tmp_path: Path) -> None:
    """A line that is not UTF-8 becomes a dead letter that Parquet can hold; the lines around it are read."""
    path = write(
        tmp_path / "photos.txt", f"{URL}\nhttps://example.com/gr".encode() + b"\xf6\xdfe\n" + URL.encode()
    )
    good, bad, last = read(path)
    assert isinstance(bad, DeadLetter)
    assert bad.row.image_url == "https://example.com/gr\\udcf6\\udcdfe"
    assert "iconv" in bad.failure.message
    assert [good, last] == [ManifestRow(URL, default_image_id(URL))] * 2


def test_long_url_is_cut_and_stays_invalid(tmp_path: Path) -> None:
    """A URL over 8 KB is cut after 8192 characters, and stays invalid when its dead letter is read again."""
    (letter,) = letters(write(tmp_path / "photos.txt", f"{URL}?{'x' * 20_000}"))
    assert len(letter.row.image_url) == 8193
    (again,) = letters(write(tmp_path / "again.txt", letter.row.image_url))
    assert "over 8192 bytes" in again.failure.message


@pytest.mark.parametrize("name", ["a.txt", "a.csv", "a.jsonl"])
def test_endless_line_stops_the_run(tmp_path: Path, name: str) -> None:
    """A line over 16 MiB is refused with its number, so a file without line ends cannot fill the memory."""
    path = write(tmp_path / name, b"x" * (MAX_LINE_BYTES + 1))
    with pytest.raises(ManifestError, match=f"{name}:1: a line over 16 MiB"):
        inspect_manifest([str(path)])


@pytest.mark.parametrize("keep", [30, 1000, -9, -1])
@pytest.mark.parametrize("name", ["a.txt.gz", "a.csv.gz", "a.jsonl.gz"])
def test_truncated_gzip_stops_the_run(tmp_path: Path, name: str, keep: int) -> None:
    """A .gz that ends early is refused, wherever it was cut, and is never read as if it were whole."""
    lines = {
        "a.txt.gz": [f"{URL}?{i}" for i in range(5000)],
        "a.csv.gz": ["image_url", *(f"{URL}?{i}" for i in range(5000))],
        "a.jsonl.gz": [f'{{"image_url": "{URL}?{i}"}}' for i in range(5000)],
    }
    path = write(tmp_path / name, gzip.compress("\n".join(lines[name]).encode())[:keep])
    with pytest.raises(ManifestError, match=rf"{name}.*cannot be read.*gzip -t"):
        read(path)


@pytest.mark.parametrize("place", [0, 3, 500, -6])
def test_corrupt_gzip_stops_the_run(tmp_path: Path, place: int) -> None:
    """A .gz with a damaged byte in header, data or checksum is refused."""
    packed = bytearray(gzip.compress("\n".join(f"{URL}?{i}" for i in range(5000)).encode()))
    packed[place] ^= 0xFF
    if place == 3:
        packed[:3] = b"no!"
    with pytest.raises(ManifestError, match=r"a\.txt\.gz.*gzip -t"):
        read(write(tmp_path / "a.txt.gz", bytes(packed)))


def test_gzip_error_names_the_last_good_line(tmp_path: Path) -> None:
    """The error for a .gz that is damaged near its end names the last good line."""
    packed = gzip.compress(f"{URL}\n{URL}\n".encode())
    corrupt = packed[:-8] + bytes(4) + packed[-4:]
    manifest = inspect_manifest([str(write(tmp_path / "a.txt.gz", packed))])
    write(tmp_path / "a.txt.gz", corrupt)
    with pytest.raises(ManifestError, match=r"after line [0-2]"):
        list(read_records(ManifestPart(manifest.files[0]), manifest.columns))


def test_gzip_of_several_members_is_one_text(tmp_path: Path) -> None:
    """A .gz made by `cat a.gz b.gz` is read to its end."""
    packed = gzip.compress(f"{URL}?1\n".encode()) + gzip.compress(f"{URL}?2\n".encode())
    assert [row.image_url for row in rows(write(tmp_path / "a.txt.gz", packed))] == [f"{URL}?1", f"{URL}?2"]


def test_lines_are_streamed(tmp_path: Path) -> None:
    """The first line comes out before the reader reaches the broken end of the file."""
    lines = "\n".join(f"{URL}?{i * 7919 % 10007}" for i in range(200_000)).encode()
    path = write(tmp_path / "a.txt.gz", gzip.compress(lines)[:-8])
    (file,) = inspect_manifest([str(path)]).files
    assert next(numbered_lines(ManifestPart(file))) == (1, f"{URL}?0\n")
