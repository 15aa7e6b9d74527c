"""Files that are not what their endings say, as people get them from spreadsheets, archives and servers."""

import bz2
import gzip
import io
import lzma
import subprocess
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import feather, orc

from facebeam.transforms.manifest.inspect_manifest import inspect_manifest
from facebeam.transforms.manifest.manifest_file import ManifestError
from tests.helpers.manifests import URL, read, rows, write

CSV = f"image_url,a\n{URL},x\n".encode()
TABLE = pa.table({"image_url": [URL], "a": ["x"]})


def parquet() -> bytes:
    """Write Parquet."""
    file = io.BytesIO()
    pq.write_table(TABLE, file)
    return file.getvalue()


def compressed(codec: str) -> bytes:
    """Compress a csv with a codec that pyarrow has."""
    packed: bytes = pa.compress(CSV, codec, asbytes=True)
    return packed


def archive(kind: str) -> bytes:
    """Put a csv into a zip or a tar."""
    file = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(file, "w") as packed:
            packed.writestr("xl/workbook.xml", CSV)
    else:
        with tarfile.open(fileobj=file, mode="w") as packed_tar:
            packed_tar.addfile(tarfile.TarInfo("photos.csv"))
    return file.getvalue()


def table_file(kind: str) -> bytes:
    """Write a table in a format that pyarrow or numpy has."""
    file = io.BytesIO()
    match kind:
        case "orc":
            orc.write_table(TABLE, file)
        case "npy":
            np.save(file, np.arange(3))
        case _:
            feather.write_feather(TABLE, file)
    return file.getvalue()


JSON_ARRAY = f'[\n  {{"image_url": "{URL}"}}\n]\n'.encode()
OBJECT = f'{{"image_url": "{URL}"}}\n'.encode()

OTHERS = {
    "gzip": (gzip.compress(CSV), "is gzip, .*add .gz to its name"),
    "bzip2": (bz2.compress(CSV), "is bzip2, .*bunzip2"),
    "xz": (lzma.compress(CSV), "is xz, .*unxz"),
    "zstd": (compressed("zstd"), "is zstd, .*unzstd"),
    "xlsx": (archive("zip"), "is a zip, such as .xlsx, .*CSV UTF-8"),
    "tar": (archive("tar"), "is a tar archive"),
    "xls": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500), r"is an old Office file, such as \.xls"),
    "pdf": (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n", "is PDF"),
    "parquet": (parquet(), "is Parquet, .*rename it to .parquet"),
    "orc": (table_file("orc"), "is ORC"),
    "avro": (b"Obj\x01\x04\x14avro.codec\x08null", "is Avro"),
    "feather": (table_file("feather"), r"is Arrow, such as \.feather"),
    "feather 1": (b"FEA1" + bytes(60), "is Feather"),
    "numpy": (table_file("npy"), "is NumPy"),
    "html": (b"\r\n<!DOCTYPE html>\n<html><head><title>Sign in</title>", "is a web page or XML"),
    "xml": (
        b"\xef\xbb\xbf<?xml version='1.0'?>\n<Error><Code>AccessDenied</Code></Error>",
        "is a web page or XML",
    ),
    "git lfs": (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\n", "git lfs pull"),
    "array": (JSON_ARRAY, r"is a JSON array, .*jq -c '\.\[\]'"),
    "array on a line": (b'[{"image_url": "x"}, {"image_url": "y"}]', r"is a JSON array"),
    "object": (b'{\n  "image_url": "x"\n}\n', "is JSON over several lines, .*jq -c"),
    "utf-16": (CSV.decode().encode("utf-16"), "is UTF-16, .*iconv -f utf-16 -t utf-8"),
    "utf-16le": (CSV.decode().encode("utf-16-le"), "is UTF-16, .*iconv -f utf-16le -t utf-8"),
    "utf-16be": (CSV.decode().encode("utf-16-be"), "is UTF-16, .*iconv -f utf-16be -t utf-8"),
    "utf-32": (CSV.decode().encode("utf-32"), "is UTF-32, .*iconv -f utf-32 -t utf-8"),
    "utf-32be": (CSV.decode().encode("utf-32-be"), "is UTF-32, .*iconv -f utf-32be -t utf-8"),
    "old mac": (CSV.replace(b"\n", b"\r"), r"lines end with only \\r: .* tr "),
}


@pytest.mark.parametrize("kind", OTHERS)
@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.txt", "a.jsonl", "a.csv.gz"])
def test_what_is_no_text_of_its_ending_is_refused_by_its_name(tmp_path: Path, kind: str, name: str) -> None:
    """A file of another kind is refused before the run, in one line with its kind and the cure."""
    content, reason = OTHERS[kind]
    if name.endswith(".gz"):
        content = gzip.compress(content)
        reason = "is packed twice with gzip, .*unpack it once" if kind == "gzip" else reason
    path = write(tmp_path / name, content)
    with pytest.raises(ManifestError, match=reason) as caught:
        inspect_manifest([str(path)])
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    assert "damaged" not in str(caught.value)


@pytest.mark.parametrize("kind", ["bzip2", "zstd", "xlsx", "html", "utf-16"])
@pytest.mark.parametrize(("name", "expected"), [("a.csv.gz", "gzip"), ("a.parquet", "parquet")])
def test_what_is_no_gzip_or_parquet_is_named(tmp_path: Path, kind: str, name: str, expected: str) -> None:
    """Another file with the ending .gz or .parquet is not called damaged, but by its name."""
    path = write(tmp_path / name, OTHERS[kind][0])
    with pytest.raises(ManifestError, match=f": is .*, not {expected} as its name says: ") as caught:
        inspect_manifest([str(path)])
    assert "damaged" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.csv.gz", CSV, "is text, not gzip as its name says: remove .gz from its name"),
        (
            "a.parquet",
            CSV,
            "is text, not parquet as its name says: rename it to its real format, such as .csv",
        ),
        ("a.csv", OBJECT, "is JSON, not csv as its name says: rename it to .jsonl"),
        ("a.txt", OBJECT, "is JSON, not txt as its name says: rename it to .jsonl"),
        ("a.txt", CSV, "a.txt:1: is the header of a .csv: rename the file to .csv"),
        ("a.txt", CSV.replace(b",", b"\t"), "a.txt:1: is the header of a .tsv: rename the file to .tsv"),
    ],
)
def test_a_text_with_the_ending_of_another_is_refused(
    tmp_path: Path, name: str, content: bytes, reason: str
) -> None:
    """A text with the ending of another format is refused, and the message says which it is."""
    with pytest.raises(ManifestError, match=reason):
        inspect_manifest([str(write(tmp_path / name, content))])


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32-le"])
def test_the_cure_for_an_encoding_works(tmp_path: Path, encoding: str) -> None:
    """The command in the message converts the file, whatever letters stand beside the URLs."""
    content = f"説明,image_url\n{'顔写真' * 20},{URL}\n"
    path = write(tmp_path / "a b.csv", content.encode(encoding))
    with pytest.raises(ManifestError, match="convert it with iconv") as caught:
        inspect_manifest([str(path)])
    command = str(caught.value).partition("convert it with ")[2]
    subprocess.run(["sh", "-c", command], cwd=tmp_path, check=True)  # noqa: S607 - any sh
    assert rows(tmp_path / "utf8.csv")[0].columns == ("顔写真" * 20,)


def test_a_zero_byte_costs_its_row(tmp_path: Path) -> None:
    """A stray zero byte in a text makes it no UTF-16: its row is a dead letter."""
    assert len(read(write(tmp_path / "a.txt", f"{URL}\n{URL}\0\n{URL}\n"))) == 3


def test_marks_between_files_that_were_put_together_are_skipped(tmp_path: Path) -> None:
    """A byte order mark in the middle, as `cat a.txt b.txt` leaves it, is no part of a URL."""
    path = write(tmp_path / "a.txt", f"\ufeff{URL}\n\ufeff{URL}\n")
    assert [row.image_url for row in rows(path)] == [URL, URL]
