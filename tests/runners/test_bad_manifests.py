"""Wrong manifests: one that is wrong as a whole publishes nothing; a wrong row becomes a dead letter."""

import gzip
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from facebeam.schemas.tables import TABLES
from tests.helpers.console import FACEBEAM, annotate, rehearse, run_json, staged, table, visible, write_urls

URL = "https://example.com/a.jpg"
MANY = [f"https://example.com/{number}.jpg" for number in range(5000)]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("none.csv", "there is no such file; check --manifest"),
        ("none-*.csv", "no such file: check --manifest, and quote a glob"),
        ("folder.csv", "is a folder without images: name its files"),
        (
            "photos.xlsx",
            "unknown ending: a manifest is .txt, .csv, .tsv, .jsonl, .ndjson or .json, each also ",
        ),
        ("photos.csv.zip", "unknown ending"),
        ("footless.parquet", "cannot be read"),
        ("nothing.txt.gz", "has 0 bytes, so it is not a .gz: pack it again"),
        ("twice.csv", "has two columns 'caption': rename one of them"),
        ("ours.csv", "has a column 'face_index', which is a column of the output: rename it"),
        ("partition.csv", "has a column 'run', which is a column of the output"),
        ("case.csv", "has a column 'Source', which except for its case is a column of the output"),
        ("sheet.csv", "is a zip, such as .xlsx, not csv as its name says"),
        ("latin1.csv", "convert the file from the encoding"),
        ("quote.csv", ":5002: the row that begins here is broken"),
        ("torn.csv.gz", "copy it again, and check it with `gzip -t`"),
        ("s3://bucket/photos.csv", "pip install 'facebeam[aws]'"),
        (
            "nourl.csv",
            "has no column 'image_url': rename 'url2', or give --url-column url2",
        ),
        ("nobody://bucket/photos.csv", "no file system for this path"),
    ],
)
def test_a_wrong_manifest_starts_nothing(tmp_path: Path, name: str, said: str) -> None:
    """A wrong manifest ends the command with exit 2 and one line with path and cure, and without output.

    The command imports Beam only for a path with a scheme.
    """
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "photos.xlsx").write_text(URL)
    (tmp_path / "photos.csv.zip").write_text(URL)
    (tmp_path / "footless.parquet").write_bytes(_parquet(tmp_path)[:-8])
    (tmp_path / "nothing.txt.gz").touch()
    (tmp_path / "twice.csv").write_text(f"image_url,caption,caption\n{URL},a,b\n")
    (tmp_path / "ours.csv").write_text(f"image_url,face_index\n{URL},1\n")
    (tmp_path / "partition.csv").write_text(f"image_url,run\n{URL},1\n")
    (tmp_path / "case.csv").write_text(f"image_url,Source\n{URL},1\n")
    (tmp_path / "sheet.csv").write_bytes(b"PK\x03\x04" + bytes(60))
    (tmp_path / "latin1.csv").write_bytes(b"image_url,libell\xe9\n")
    many = "\n".join(["image_url", *MANY, ""])
    (tmp_path / "quote.csv").write_text(f'{many}"https://example.com/open.jpg\n')
    torn = gzip.compress(many.encode())
    (tmp_path / "torn.csv.gz").write_bytes(torn[:-8] + bytes(4) + torn[-4:])
    (tmp_path / "nourl.csv").write_text(f"caption,url2\na,{URL}\n")
    path = name if "://" in name else str(tmp_path / name)
    flags = ["annotate", "--manifest", path, "--output", str(tmp_path / "out")]
    command = [sys.executable, "-X", "importtime", FACEBEAM, *flags]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = [line for line in finished.stderr.splitlines() if not line.startswith("import time:")]
    assert (finished.returncode, finished.stdout, len(lines)) == (2, "", 1), lines
    assert lines[0].startswith(f"facebeam: {path}")
    assert said in lines[0]
    assert ("apache_beam" in finished.stderr) == ("://" in name)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("second", "warned"),
    [
        ('{"image_id": 1, "image_url": "https://example.com/other.jpg"}', True),
        ('{"image_id": "1", "image_url": "https://example.com/other.jpg"}', True),
        ('{"image_id": 1, "image_url": "https://example.com/a.jpg"}', False),
        ('{"image_id": 2, "image_url": "https://example.com/other.jpg"}', False),
        ('{"image_id": [1], "image_url": "https://example.com/other.jpg"}', False),
        ('{"image_url": "https://example.com/other.jpg"}', False),
    ],
)
def test_an_id_of_two_images_is_warned_of(tmp_path: Path, second: str, *, warned: bool) -> None:
    """Two manifests in which one `image_id` names two images are annotated, with a warning of both."""
    (tmp_path / "a.csv").write_text("image_id,image_url\n1,https://example.com/a.jpg\n")
    (tmp_path / "b.jsonl").write_text(f"{second}\n")
    flags = ("--manifest", tmp_path / "b.jsonl", "--log-format", "json")
    finished = rehearse(tmp_path / "a.csv", tmp_path / "out", *flags)
    assert finished.returncode == 0, finished.stderr
    places = f"{tmp_path}/a.csv:2 and {tmp_path}/b.jsonl:1"
    said = f"image_id '1' names two images, in {places}: the tables contain both"
    assert (said in finished.stderr) == warned


def test_a_file_without_rights_starts_nothing(tmp_path: Path) -> None:
    """A manifest that this user may not read ends the command with 2, and the error says so."""
    manifest = write_urls(tmp_path / "photos.txt", [URL])
    manifest.chmod(0)
    try:
        manifest.read_bytes()
    except PermissionError:
        finished = rehearse(manifest, tmp_path / "out")
    else:
        pytest.skip("this user may read every file")
    assert finished.returncode == 2
    assert f"{manifest}: cannot be read" in finished.stderr
    assert "this user has no right to read it" in finished.stderr


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("cut.txt.gz", ", after line "),
        ("torn.parquet", ", after row "),
    ],
)
def test_damage_that_is_found_while_reading_publishes_nothing(tmp_path: Path, name: str, place: str) -> None:
    """Damage inside a manifest ends the run with exit 1 and a last line that names file and place.

    No row of the good part is visible or staged.
    """
    good = "".join(f"{url}\n" for url in MANY)
    packed = gzip.compress(good.encode())
    parquet = bytearray(_parquet(tmp_path))
    parquet[1000:1400] = bytes(400)
    contents = {
        "cut.txt.gz": packed[: len(packed) - 100],
        "torn.parquet": bytes(parquet),
    }
    (tmp_path / name).write_bytes(contents[name])
    finished = rehearse(tmp_path / name, tmp_path / "out", "--run-id", "one")
    assert (finished.returncode, finished.stdout) == (1, ""), finished.stderr
    _begins, line = finished.stderr.splitlines()
    assert line.startswith(f"facebeam: run one is not committed: {tmp_path / name}{place}"), line
    assert "[while running" not in line
    assert visible(tmp_path / "out") == []
    assert staged(tmp_path / "out") == []


def test_a_damaged_manifest_asks_for_no_image(tmp_path: Path) -> None:
    """A damaged second manifest ends the run before it looks for the images of the first manifest."""
    good = write_urls(tmp_path / "good.txt", [tmp_path / "no-such.png"])
    cut = tmp_path / "cut.txt.gz"
    cut.write_bytes(gzip.compress("\n".join(MANY).encode())[:-20])
    finished = annotate(good, tmp_path / "out", "--allow-local-files", "--manifest", cut)
    assert finished.returncode == 1
    assert "copy it again, and check it with `gzip -t`" in finished.stderr
    assert visible(tmp_path / "out") == []


@pytest.mark.parametrize("header", ["", "image_url,caption\n"])
def test_an_empty_manifest_is_a_run(tmp_path: Path, header: str) -> None:
    """An empty manifest gives a committed run without rows; pandas reads its tables with all columns."""
    manifest = tmp_path / ("photos.csv" if header else "photos.txt")
    manifest.write_text(header)
    finished = annotate(manifest, tmp_path / "out", "--run-id", "one")
    assert finished.returncode == 0, finished.stderr
    assert run_json(tmp_path / "out", "one")["counts"]["rows_read"] == 0
    for name, schema in TABLES.items():
        frame = table(tmp_path / "out", name, "one")
        own = ["caption"] if header else []
        assert [column for column in frame.columns if column != "error_code"] == [*schema.names, *own]
        assert frame.empty


BAD_ROWS = [
    (b"caption only,", "is not a URL"),
    (b"two words,https://example.com/a b.jpg", "contains a space: write %20"),
    (b"control,https://example.com/\x07.jpg", "has control characters"),
    (b"latin-1,https://example.com/gr\xf6\xdfe.jpg", "is not UTF-8: convert the manifest"),
    (b"scheme,ftp://example.com/a.jpg", "has no http:// or https:// at its start"),
    (b"long,https://example.com/" + b"x" * 9000, "is over 8192 bytes of UTF-8"),
    (b"too,many,fields," + URL.encode(), "fields, the header has 2"),
]


def test_bad_rows_are_dead_letters_with_their_line(tmp_path: Path) -> None:
    """A good row is answered, and a bad row is a dead letter with line and reason, despite BOM and CRLF."""
    manifest = tmp_path / "photos.csv"
    rows = [b"caption,image_url", b"", *(row for row, _ in BAD_ROWS), b"", b"good," + URL.encode(), b""]
    manifest.write_bytes(b"\xef\xbb\xbf" + b"\r\n".join(rows))
    finished = rehearse(manifest, tmp_path / "out", "--run-id", "one")
    assert finished.returncode == 0, finished.stderr
    images = table(tmp_path / "out", "images")
    assert images[["image_url", "caption"]].to_numpy().tolist() == [[URL, "good"]]
    letters = table(tmp_path / "out", "dead_letters")
    assert set(letters["error_code"]) == {"invalid_manifest_row"}
    assert set(letters["stage"]) == {"manifest"}
    messages = sorted(letters["message"])
    for number, (_, reason) in enumerate(BAD_ROWS, 3):
        (message,) = [each for each in messages if each.startswith(f"{manifest}:{number}: ")]
        assert reason in message


def _parquet(folder: Path) -> bytes:
    path = folder / "whole.parquet"
    pq.write_table(pa.table({"image_url": MANY}), path, row_group_size=1000)
    return path.read_bytes()
