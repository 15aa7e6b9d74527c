"""csv and tsv manifests."""

import csv
import io
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.values import DeadLetter, ManifestRow, default_image_id
from tests.helpers.manifests import URL, arrow_types, letters, read, rows, write
from transforms.inspect_manifest import inspect_manifest
from transforms.manifest_formats.manifest_error import ManifestError
from transforms.manifest_formats.manifest_file import ManifestPart
from transforms.manifest_formats.numbered_lines import MAX_LINE_BYTES
from transforms.manifest_formats.read_records import read_records

CELLS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r"), max_size=8)


def test_columns_are_found_by_the_header(tmp_path: Path) -> None:
    """The header says where URL and id are; the other columns pass through as strings, in its order."""
    path = write(tmp_path / "a.csv", f"n,image_id,caption,image_url\n007,x1,,{URL}\n-1.50,,NA,{URL}\n")
    assert arrow_types(path) == {"n": "string", "caption": "string"}
    assert rows(path) == [
        ManifestRow(URL, "x1", ("007", "")),
        ManifestRow(URL, default_image_id(URL), ("-1.50", "NA")),
    ]


def test_header_alone_has_no_rows(tmp_path: Path) -> None:
    """A file with only a header is a manifest of zero rows, with columns."""
    path = write(tmp_path / "a.csv", "image_url,caption\r\n")
    assert rows(path) == []
    assert arrow_types(path) == {"caption": "string"}


def test_mark_crlf_blank_lines_and_quotes(tmp_path: Path) -> None:
    """A byte order mark, CRLF, blank lines, and quoted line ends and commas are read correctly."""
    content = f'\ufeff"image_url","a"\r\n\r\n"{URL}?a,b","two\r\nlines, ""quoted"""\r\n\r\n{URL},x'
    assert rows(write(tmp_path / "a.csv", content)) == [
        ManifestRow(f"{URL}?a,b", default_image_id(f"{URL}?a,b"), ('two\r\nlines, "quoted"',)),
        ManifestRow(URL, default_image_id(URL), ("x",)),
    ]


def test_tsv_splits_at_tabs(tmp_path: Path) -> None:
    """A tsv is split at tabs; its commas are text."""
    assert rows(write(tmp_path / "a.tsv", f"image_url\tcaption\n{URL}\ta,b\n"))[0].columns == ("a,b",)


def test_bad_rows_are_named_by_the_line_where_they_begin(tmp_path: Path) -> None:
    """A wrong number of fields, a blank URL or bad bytes fail their own row only.

    The dead letter names the line of the file where the row begins.
    """
    lines = [
        b"image_url,caption",
        b'https://example.com/a.jpg,"two',
        b'lines"',
        b"https://example.com/b,c.jpg,x",
        b"https://example.com/d.jpg",
        b" ,blank",
        b"https://example.com/e.jpg,gr\xf6\xdfe",
        b"https://example.com/f.jpg,fine",
    ]
    path = write(tmp_path / "a.csv", b"\n".join(lines))
    first, *bad, last = read(path)
    assert [first.columns if isinstance(first, ManifestRow) else None, last] == [
        ("two\nlines",),
        ManifestRow("https://example.com/f.jpg", default_image_id("https://example.com/f.jpg"), ("fine",)),
    ]
    found = [
        (letter.row.image_url, letter.row.columns, letter.failure.message.removeprefix(f"{path}:"))
        for letter in bad
        if isinstance(letter, DeadLetter)
    ]
    assert [(url, columns) for url, columns, _ in found] == [
        ("https://example.com/b,c.jpg,x", (None,)),
        ("https://example.com/d.jpg", (None,)),
        (" ", ("blank",)),
        ("https://example.com/e.jpg", ("gr\\udcf6\\udcdfe",)),
    ]
    assert [message.split(" ", 2)[0] for *_, message in found] == ["4:", "5:", "6:", "7:"]
    for (*_, message), rule in zip(
        found, ["has 3 fields", "has 1 fields", "no URL", "not UTF-8"], strict=True
    ):
        assert rule in message


def test_id_of_a_bad_row_is_kept(tmp_path: Path) -> None:
    """A dead letter has the row's own id, so that the row can be found again."""
    (letter,) = letters(write(tmp_path / "a.csv", "image_url,image_id\nnowhere,x1\n"))
    assert letter.row == ManifestRow("nowhere", "x1")


@pytest.mark.parametrize(
    "broken", ['"never closed,x\n' + f"{URL},x\n" * 50, f'"{URL}" tail,x\n{URL},x\n', '"open']
)
def test_broken_quotes_stop_the_run(tmp_path: Path, broken: str) -> None:
    """A row with a broken quote ends the run, and the message names the line where the row begins."""
    path = write(tmp_path / "a.csv", f"image_url,a\n{URL},x\n\n{broken}")
    with pytest.raises(ManifestError, match=r"a\.csv:4: the row that begins here is broken"):
        read(path)


def test_endless_field_stops_the_run(tmp_path: Path) -> None:
    """A field over 16 MiB, as after an open quote, ends the run instead of filling the memory."""
    path = write(
        tmp_path / "a.csv", "image_url\n" + '"' + ("x" * 1023 + "\n") * (MAX_LINE_BYTES // 1024 + 1) + '"'
    )
    with pytest.raises(ManifestError, match=r"a\.csv:2: .*field larger than field limit"):
        read(path)


def test_long_fields_pass(tmp_path: Path) -> None:
    """A field longer than 128 KB, Python's default limit, is accepted."""
    assert rows(write(tmp_path / "a.csv", f"image_url,a\n{URL},{'x' * 200_000}\n"))[0].columns == (
        "x" * 200_000,
    )


def test_rows_are_streamed(tmp_path: Path) -> None:
    """The first row comes out before the reader reaches the broken end of the file."""
    path = write(tmp_path / "a.csv", f"image_url\n{URL}\n" + '"open')
    manifest = inspect_manifest([str(path)])
    assert next(read_records(ManifestPart(manifest.files[0]), manifest.columns)).image_url == URL


@given(
    header=st.lists(st.sampled_from(["a", "b c", "größe", 'q"', "x,y", "z\t"]), unique=True),
    data=st.data(),
    tabs=st.booleans(),
)
def test_what_csv_writes_comes_back(header: list[str], data: st.DataObject, tabs: bool) -> None:  # noqa: FBT001 - drawn
    """Any strings that Python's csv module writes come back unchanged, from csv and tsv."""
    names = [name for name in header if name != "z\t"]
    table = data.draw(st.lists(st.tuples(*[CELLS] * len(names)), max_size=5))
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter="\t" if tabs else ",")
    writer.writerow(["image_url", *names])
    writer.writerows((URL, *cells) for cells in table)
    with TemporaryDirectory() as folder:
        path = write(Path(folder) / ("a.tsv" if tabs else "a.csv"), text.getvalue())
        assert [row.columns for row in rows(path)] == table
