"""csv and tsv manifests."""

import csv
import gzip
import io
import shlex
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facebeam.schemas.values import DeadLetter, ManifestRow, default_image_id
from facebeam.transforms.manifest.inspect_manifest import inspect_manifest
from facebeam.transforms.manifest.lines import MAX_LINE_BYTES
from facebeam.transforms.manifest.manifest_file import ManifestError, ManifestPart
from facebeam.transforms.manifest.read_records import read_records
from tests.helpers.manifests import URL, arrow_types, letters, read, rows, write

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


@pytest.mark.parametrize("marks", ["\ufeff", "\ufeff\ufeff"])
def test_mark_crlf_blank_lines_and_quotes(tmp_path: Path, marks: str) -> None:
    """Byte order marks, CRLF, blank lines, and quoted line ends and commas are read correctly."""
    content = f'{marks}"image_url","a"\r\n\r\n"{URL}?a,b","two\r\nlines, ""quoted"""\r\n\r\n{URL},x'
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
        ("https://example.com/b, c.jpg, x", (None,)),  # not a URL, so that a replay refuses it
        ("https://example.com/d.jpg", (None,)),
        (" ", ("blank",)),
        ("https://example.com/e.jpg", ("gr\\udcf6\\udcdfe",)),
    ]
    assert [message.split(" ", 2)[0] for *_, message in found] == ["4:", "5:", "6:", "7:"]
    for (*_, message), rule in zip(
        found, ["has 3 fields", "has 1 field,", "not a URL", "not UTF-8"], strict=True
    ):
        assert rule in message


def test_id_of_a_bad_row_is_kept(tmp_path: Path) -> None:
    """A dead letter has the row's own id, so that the row can be found again."""
    (letter,) = letters(write(tmp_path / "a.csv", "image_url,image_id\nnowhere,x1\n"))
    assert letter.row == ManifestRow("nowhere", "x1")


@pytest.mark.parametrize(
    "broken",
    [
        '"never closed,x\n' + f"{URL},x\n" * 50,
        '"open',
        f'{URL},"open\n{URL},"a" b\n',
        f'{URL},"a "b"\n{URL},x\n',
    ],
)
def test_a_row_without_a_certain_end_is_refused(tmp_path: Path, broken: str) -> None:
    """A row whose quotes leave open where it ends is refused before the run, by the line where it begins."""
    path = write(tmp_path / "a.csv", f"image_url,a\n{URL},x\n\n{broken}")
    with pytest.raises(
        ManifestError, match=r"a\.csv:4: the row that begins here is broken .*close every quote"
    ):
        inspect_manifest([str(path)])


@pytest.mark.parametrize("broken", [f'"{URL}" tail,x', f'{URL},"5" x 7" frame"', f"{URL},a\rb"])
def test_a_broken_row_of_one_line_is_a_dead_letter(tmp_path: Path, broken: str) -> None:
    """A row with wrong quotes that come in pairs on its one line is a dead letter; the next row is read."""
    path = write(tmp_path / "a.csv", f"image_url,a\n{URL},x\n{broken}\n{URL}?2,y\n")
    first, bad, last = read(path)
    assert [first, last] == [
        ManifestRow(URL, default_image_id(URL), ("x",)),
        ManifestRow(f"{URL}?2", default_image_id(f"{URL}?2"), ("y",)),
    ]
    assert isinstance(bad, DeadLetter)
    assert bad.failure.message.startswith(f"{path}:3: ")
    assert "is broken" in bad.failure.message
    assert bad.row.image_url == broken


@pytest.mark.parametrize(
    "rows_below",
    [
        f'{URL},"open\n{URL}?2,x\n{URL}?3,"\n',
        f'{URL},"open\n{URL}?2,5"\n',
        f'{URL},"open\n' + f"{URL}?2,x\n" * 500 + 'only a caption\n\n,"\n',
        'a.jpg,"open\nb.jpg,x\nc.PNG,"\n',
    ],
)
def test_quotes_that_take_in_rows_are_refused(tmp_path: Path, rows_below: str) -> None:
    """A quote that a later row happens to close is refused: the rows between would be lost in silence."""
    path = write(tmp_path / "a.csv", f"image_url,a\n{rows_below}")
    with pytest.raises(
        ManifestError, match=r"a\.csv:2: a quote that opens in this row contains the next \d+ l"
    ):
        inspect_manifest([str(path)])


@pytest.mark.parametrize(
    "caption",
    ["see https://example.com/b.jpg\nand, well,\nso on", "https://t.co/b\nhttps://t.co/c", "a\n\nb,c"],
)
def test_texts_of_several_lines_pass(tmp_path: Path, caption: str) -> None:
    """A caption may have several lines, also with URLs and commas, as long as these lines are no rows."""
    path = write(tmp_path / "a.csv", f'image_url,a\n{URL},"{caption}"\n')
    assert rows(path)[0].columns == (caption,)


@pytest.mark.parametrize(
    "row",
    [
        f'{URL},"say \\"hi\\" now"',
        f'{URL},"ends with \\""\n{URL},"x \\""',
        f'{URL},"a\\",b"',
        f'{URL},"ends with \\""\n{URL},x\n{URL},"',
    ],
)
def test_quotes_after_backslashes_are_refused_with_the_cure(tmp_path: Path, row: str) -> None:
    r"""Quotes that Spark and MySQL escape with a backslash are refused before the run, by the row's line."""
    path = write(tmp_path / "a.csv", f"image_url,a\n{URL},x\n{row}\n")
    with pytest.raises(
        ManifestError, match=r"a\.csv:3: a quote is escaped with a backslash .*Spark, ESCAPED BY"
    ):
        inspect_manifest([str(path)])


def test_backslashes_are_text(tmp_path: Path) -> None:
    r"""A backslash at the end of a quoted value, as in a Windows path, is text."""
    path = write(tmp_path / "a.csv", f'image_url,a,b\n{URL},"C:\\",x\n{URL},"\\\\host\\",""""\n')
    assert [row.columns for row in rows(path)] == [("C:\\", "x"), ("\\\\host\\", '"')]


def test_rows_of_empty_fields_are_skipped(tmp_path: Path) -> None:
    """Rows of delimiters alone, as Excel leaves them behind, are skipped as blank lines are."""
    path = write(tmp_path / "a.csv", f',\nimage_url,a\n,\n \n{URL},x\n"",""\n , \n,\n')
    assert [row.columns for row in rows(path)] == [("x",)]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.csv", b"image_url,libell\xe9\n", r"not UTF-8: .* iconv -f cp1252 -t utf-8 \S*a\.csv > utf8\.csv"),
        ("a.tsv", b"image_url\tm\xfcnze\n", r"iconv -f cp1252 -t utf-8 \S*a\.tsv > utf8\.tsv"),
        ("a.csv.gz", b"image_url,\xe9\n", r"gzip -dc \S*a\.csv\.gz \| iconv -f cp1252"),
        ("a.csv", b"sep=,\nimage_url,a\n", "Excel's 'sep=,': delete this line"),
        ("a.csv", b"sep=;\nimage_url;a\n", "Excel's 'sep=;'"),
        ("a.csv", b"# made, today\nimage_url,a\n", "'# made, today', which looks like a comment: delete"),
        ("a.csv", b"image_url\ta\n", "with the delimiter of .tsv: rename the file to .tsv"),
        ("a.tsv", b"image_url,a\n", "with the delimiter of .csv: rename the file to .csv"),
        ("a.csv", f"{URL},1\n{URL},2\n".encode(), "a row, .* write the names of the columns above it, with"),
        ("a.csv", f"{URL}\n{URL}\n".encode(), "a row, .* or rename the file to .txt"),
    ],
)
def test_what_is_no_header_is_refused_with_the_cure(
    tmp_path: Path, name: str, content: bytes, reason: str
) -> None:
    """A first line that is no header is refused by its line, and the message says what to do."""
    path = write(tmp_path / name, gzip.compress(content) if name.endswith("gz") else content)
    with pytest.raises(ManifestError, match=rf"{name}:1: the header is .*{reason}"):
        inspect_manifest([str(path)])


@pytest.mark.parametrize(("delimiter", "kind"), [(";", "csv"), ("|", "tsv")])
def test_the_cure_for_another_delimiter_works(tmp_path: Path, delimiter: str, kind: str) -> None:
    """The message for a csv with semicolons holds a command, and what that writes is read."""
    table = f'image_url,a\n{URL},"x,y"\n{URL},NA\n{URL},007\n{URL},\n'
    semicolons = table.replace('"x,y"', "@").replace(",", delimiter).replace("@", '"x,y"')
    path = write(tmp_path / f"a.{kind}", semicolons)
    with pytest.raises(ManifestError, match="convert the file with python") as caught:
        inspect_manifest([str(path)])
    command = str(caught.value).partition("convert the file with ")[2].replace("python", sys.executable, 1)
    subprocess.run(shlex.split(command), cwd=tmp_path, check=True)
    found = [row.columns for row in rows(tmp_path / f"converted.{kind}")]
    assert found == [("x,y",), ("NA",), ("007",), ("",)]


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
    path = write(tmp_path / "a.csv", f"image_url\n{URL}\n")
    manifest = inspect_manifest([str(path)])
    write(path, f"image_url\n{URL}\n" + '"open')
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
