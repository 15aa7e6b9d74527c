"""Manifests that are no files: standard input, and images that stand for themselves."""

import gzip
import os
import resource
import signal
import sys
from functools import partial
from pathlib import Path
from shutil import copy

import pandas as pd
import pytest

from facebeam.transforms.manifest.find_manifests import image_files
from tests.helpers.console import Finished, ends, facebeam, run_json, table
from tests.helpers.waiting import DEADLINE_S
from tests.helpers.warm_process import Command, run_warm

FLINK = ("--runner", "flink", "--flink-master", "127.0.0.1:1", "--worker-pool", "127.0.0.1:1")
URL = "https://example.com/a.jpg"


def read_from(path: Path) -> None:
    """Have this process read a file as its standard input."""
    sys.stdin = path.open()


def without_space(path: Path) -> None:
    """Have this process read a file as its standard input, and write no large file."""
    read_from(path)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))


def annotate_stdin(content: bytes, output: Path, *flags: str) -> Finished:
    """Run the fake source over a manifest that comes by standard input."""
    stdin = output.with_name("stdin")
    stdin.write_bytes(content)
    command = ["annotate", "--source", "fake", "--manifest", "-", "--output", str(output), *flags]
    environment = os.environ | {"TMPDIR": str(output.parent)}
    return run_warm(Command(command, environment, prepare=partial(read_from, stdin)), DEADLINE_S)


@pytest.mark.parametrize(
    "content",
    [
        f"{URL}\n".encode(),
        f"\ufeff{URL}\r\n".encode(),
        f"name,image_url\nx,{URL}\n".encode(),
        f'name\timage_url\n"a,b"\t{URL}\n'.encode(),
        f'{{"image_url": "{URL}", "name": "x"}}\n'.encode(),
        gzip.compress(f"image_url\n{URL}\n".encode()),
        pd.DataFrame({"image_url": [URL]}).to_parquet(),
    ],
    ids=["txt", "txt-bom", "csv", "tsv", "jsonl", "csv.gz", "parquet"],
)
def test_standard_input_is_a_manifest(tmp_path: Path, content: bytes) -> None:
    """`--manifest -` reads any format, and leaves no file behind."""
    finished = annotate_stdin(content, tmp_path / "out")
    assert finished.returncode == 0, finished.stderr
    assert [*ends(tmp_path / "out")] == [URL]
    assert {path.name for path in tmp_path.iterdir()} == {"stdin", "out"}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\x1f\x8b\x08\x00no deflated data", "/dev/stdin: cannot be read"),
        (f"image_url,name\n{URL},x\n".encode("utf-16"), "iconv -f utf-16 -t utf-8 /dev/stdin > utf8"),
        (f"image_url;name\n{URL};x\n".encode(), "'image_url;name', with ';' between columns"),
        (gzip.compress(gzip.compress(f"{URL}\n".encode())), "is packed twice with gzip"),
        (f"url,name\n{URL},x\n".encode(), "rename 'url', or give --url-column url"),
    ],
    ids=["damaged-gz", "utf-16", "semicolons", "twice-gz", "no-url-column"],
)
def test_standard_input_that_cannot_be_read_is_said(tmp_path: Path, content: bytes, said: str) -> None:
    """It ends with exit code 2 and one line, which names no file that is deleted by then."""
    finished = annotate_stdin(content, tmp_path / "out")
    assert (finished.returncode, len(finished.stderr.splitlines())) == (2, 1), finished.stderr
    assert said in finished.stderr
    assert str(tmp_path) not in finished.stderr


def test_what_stays_names_what_the_user_gave(folder: Path, tmp_path: Path) -> None:
    """Dead letters and the record name standard input or the folder, not the file that is deleted."""
    content = b"image_url,name\nhttps://example.com/a.jpg,b,c\n"
    annotate_stdin(content, tmp_path / "out", "--run-id", "one")
    letters = table(tmp_path / "out", "dead_letters")
    assert letters["message"][0].startswith("/dev/stdin:2: 'https://example.com/a.jpg, b, c' has 3 fields")
    (folder / os.fsdecode(b"caf\xe9.png")).touch()
    named = ("--manifest", "shots", "--output", "out", "--allow-local-files", "--source", "fake")
    facebeam("annotate", *named, "--run-id", "two", cwd=tmp_path)
    letters = table(tmp_path / "out", "dead_letters", "two")
    assert letters["message"][0].startswith("shots:")
    assert letters["message"][0].endswith("rename the file")
    for run, given in (("one", "/dev/stdin"), ("two", "shots")):
        record = run_json(tmp_path / "out", run)
        assert ([*record["manifests"]], record["options"]["manifest"]) == ([given], [given])
    (folder / "new.png").touch()
    again = facebeam("annotate", *named, "--run-id", "two", cwd=tmp_path)
    assert again.returncode == 2
    assert "its manifest was shots (sha256:" in again.stderr
    assert "and this one is shots (sha256:" in again.stderr


def test_the_same_input_again_is_the_same_run(tmp_path: Path) -> None:
    """A run id that was committed for one input is refused for another, and repeated for the same."""
    codes = [
        annotate_stdin(content, tmp_path / "out", "--run-id", "one").returncode
        for content in (b"https://example.com/a.jpg\n", b"https://example.com/a.jpg\n", b"")
    ]
    assert codes == [0, 0, 2]


def test_no_place_for_standard_input_is_said(tmp_path: Path) -> None:
    """A temporary folder that cannot be used ends with exit code 2 and the cure."""
    stdin = tmp_path / "stdin"
    stdin.write_text(f"{URL}\n" * 1000)
    command = ["annotate", "--source", "fake", "--manifest", "-", "--output", str(tmp_path / "out")]
    prepare = partial(without_space, stdin)
    finished = run_warm(Command(command, dict(os.environ), prepare=prepare), DEADLINE_S)
    assert finished.returncode == 2
    assert "set TMPDIR to a folder with free space" in finished.stderr


@pytest.fixture
def folder(tmp_path: Path, photos: Path) -> Path:
    """Make a folder with two photographs, one of them deeper, and files that are none."""
    folder = tmp_path / "shots"
    (folder / "day 1").mkdir(parents=True)
    (folder / ".trash").mkdir()
    copy(photos / "astronaut.png", folder / "day 1" / "ä%20.PNG")
    copy(photos / "coffee.png", folder / "b.png")
    for name in (".DS_Store", "._b.png", "labels.csv", ".trash/old.png"):
        (folder / name).write_bytes(b"no image")
    return folder


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("shots", {"day 1/ä%20.PNG": "1 faces", "b.png": "0 faces"}),
        ("shots/*/*.PNG", {"shots/day 1/ä%20.PNG": "1 faces"}),
        ("shots/b.png", {"shots/b.png": "0 faces"}),
    ],
)
def test_images_are_a_manifest(folder: Path, pattern: str, found: dict[str, str]) -> None:
    """A folder, a glob or a file of images is annotated; `image_id` is the path below the folder."""
    arguments = ("--manifest", pattern, "--output", "out", "--allow-local-files", "--run-id", "one")
    finished = facebeam("annotate", *arguments, cwd=folder.parent)
    assert finished.returncode == 0, finished.stderr
    images = table(folder.parent / "out", "images")
    counts = [f"{count} faces" for count in images["face_count"]]
    assert dict(zip(images["image_id"], counts, strict=True)) == found
    assert run_json(folder.parent / "out", "one")["counts"]["rows_read"] == len(found)


def test_photographs_that_the_model_cannot_decode_are_found_too(tmp_path: Path) -> None:
    """A phone's HEIC is a row of the run, so that its dead letter tells of it."""
    for name in ("b.HEIC", "a.jfif", "labels.csv"):
        (tmp_path / name).touch()
    assert [*image_files(str(tmp_path)).values()] == ["a.jfif", "b.HEIC"]


@pytest.mark.parametrize(
    ("pattern", "flags", "said"),
    [
        ("shots", (), "2 images; give --allow-local-files to read them"),
        ("empty", ("--allow-local-files",), "is a folder without images: name its files"),
        ("shots/*", ("--allow-local-files",), "unknown ending"),
        ("shots", ("--allow-local-files", *FLINK), "put a manifest where workers can read it"),
        ("-", FLINK, "put a manifest where workers can read it"),
    ],
)
def test_what_cannot_be_a_manifest_is_said(
    folder: Path, pattern: str, flags: tuple[str, ...], said: str
) -> None:
    """Images without the flag, folders without images, mixtures, and clusters end with exit code 2."""
    (folder.parent / "empty").mkdir()
    arguments = ("--manifest", pattern, "--output", "out", *flags)
    finished = facebeam("annotate", *arguments, cwd=folder.parent)
    assert finished.returncode == 2
    assert said in finished.stderr
