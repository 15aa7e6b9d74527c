"""Files, formats and columns of a manifest, and the faults that are found before a run starts."""

import bz2
import gzip
import lzma
import os
import pickle
import re
import subprocess
import sys
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from apache_beam.io.filesystem import FileMetadata, MatchResult
from apache_beam.io.localfilesystem import LocalFileSystem

from facebeam.schemas.errors import RunError
from facebeam.schemas.values import ManifestRow, default_image_id
from facebeam.transforms.files.any_store import is_installed
from facebeam.transforms.manifest.inspect_manifest import inspect_manifest
from facebeam.transforms.manifest.manifest_file import ManifestError, ManifestFormat
from tests.helpers.manifests import URL, entries, rows, write


def refusal(*patterns: Path | str, url_column: str = "image_url") -> str:
    """Inspect a manifest that is refused; give the error message."""
    with pytest.raises(ManifestError) as caught:
        inspect_manifest(map(str, patterns), url_column)
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "kind", "compressed"),
    [
        ("a.txt", ManifestFormat.TXT, False),
        ("A.TXT.GZ", ManifestFormat.TXT, True),
        ("a.b.csv", ManifestFormat.CSV, False),
        ("a.csv.gz", ManifestFormat.CSV, True),
        ("a.tsv", ManifestFormat.TSV, False),
        ("a.jsonl.gz", ManifestFormat.JSONL, True),
        ("a.ndjson", ManifestFormat.JSONL, False),
        ("part-00000.json.gz", ManifestFormat.JSONL, True),
    ],
)
def test_ending_decides_the_format(tmp_path: Path, name: str, kind: ManifestFormat, compressed: bool) -> None:  # noqa: FBT001 - a parameter
    """The ending, in upper or lower case, decides format and compression; the size is that of the file."""
    path = write(tmp_path / name, gzip.compress(b"") if compressed else "")
    (file,) = inspect_manifest([str(path)]).files
    assert (file.format, file.compressed, file.state.size_bytes) == (kind, compressed, path.stat().st_size)


@pytest.mark.parametrize("name", ["a", "a.jsonp", "a.gz", "a.parquet.gz", "a.csv.zip", "csv", "a.txt.gz.gz"])
def test_unknown_ending_names_the_known(tmp_path: Path, name: str) -> None:
    """A file with an unknown ending is refused, and the message lists the known endings."""
    message = refusal(write(tmp_path / name, URL))
    assert name in message
    assert ".txt, .csv, .tsv, .jsonl, .ndjson or .json, each also .gz, or .parquet" in message


@pytest.mark.parametrize(
    ("name", "content", "cure"),
    [
        ("a.csv.bz2", bz2.compress(URL.encode()), "this file is bzip2: unpack it with bunzip2"),
        ("a.csv.xz", lzma.compress(URL.encode()), "this file is xz: unpack it with unxz"),
        ("a.gz", gzip.compress(URL.encode(), mtime=0), "this file is gzip: unpack it with gunzip"),
        ("a.pq", b"PAR1", "this file is Parquet: rename it to .parquet"),
        ("a.feather", b"ARROW1\0", "this file is Arrow, such as .feather: write the table as Parquet"),
        ("a.list", URL.encode(), "rename the file to the ending of its format"),
    ],
    ids=["bz2", "xz", "gz", "pq", "feather", "list"],
)
def test_unknown_ending_tells_what_to_do(tmp_path: Path, name: str, content: bytes, cure: str) -> None:
    """The message says what a file with an unknown ending is, and how to make a manifest of it."""
    (tmp_path / name).write_bytes(content)
    assert refusal(tmp_path / name).endswith(cure)


def test_missing_files_and_empty_globs_are_named(tmp_path: Path) -> None:
    """The error names a missing file or a glob without matches as it was given, even after a good file."""
    there = write(tmp_path / "a.txt", URL)
    assert f"{tmp_path}/b.txt: cannot be read" in refusal(there, tmp_path / "b.txt")
    assert refusal(there, tmp_path / "*.csv").startswith(f"{tmp_path}/*.csv: no such file")


def test_what_is_no_file_is_named(tmp_path: Path) -> None:
    """Paths that are not readable files are refused: folder, pipe, circular link, empty .gz, overlong glob.

    For a folder the message suggests a glob; a pipe is never opened.
    """
    assert f"'{tmp_path}/*.csv'" in refusal(tmp_path)
    os.mkfifo(tmp_path / "a.csv")
    assert "not a regular file" in refusal(tmp_path / "a.csv")
    (tmp_path / "b.csv").symlink_to(tmp_path / "b.csv")
    assert "b.csv: cannot be read" in refusal(tmp_path / "b.csv")
    assert "0 bytes" in refusal(write(tmp_path / "c.txt.gz", ""))
    assert "cannot be read" in refusal(tmp_path / f"{'x' * 300}*.csv")


def test_unreadable_file_is_named(tmp_path: Path) -> None:
    """A file that the user may not read is refused, and the message says which right is missing."""
    path = write(tmp_path / "a.txt", URL)
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read everything")
    assert "this user has no right to read it" in refusal(path)


def test_globs_find_files_once_and_in_order(tmp_path: Path) -> None:
    """Globs, also recursive ones, skip folders; a file that two patterns match is read once."""
    (tmp_path / "deep" / "x.txt").mkdir(parents=True)
    for name in ("b.txt", "a.txt", "deep/c.txt", "x[1].txt"):
        write(tmp_path / name, f"{URL}?{name}")
    patterns = [f"{tmp_path}/x[1].txt", f"{tmp_path}/**/*.txt", f"{tmp_path}/./a.txt"]
    names = [Path(file.path).relative_to(tmp_path).as_posix() for file in inspect_manifest(patterns).files]
    assert names == ["x[1].txt", "a.txt", "b.txt", "deep/c.txt"]


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ("url,caption", "--url-column url"),
        ("image_url,", "named ''"),
        ("image_url,a/b", "named 'a/b'"),
        ("image_url,source", "column 'source', which is a column of the output"),
        ("image_url,error_code", "'error_code'"),
        ("image_url;caption", "'image_url;caption'"),
    ],
)
@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_bad_columns_are_refused(tmp_path: Path, header: str, reason: str, kind: str) -> None:
    """A bad column name ends the run before it starts, in any format, and the message has path and fix."""
    names = header.split(",")
    keys = ", ".join(f'"{name}": "x"' for name in names)
    path = write(tmp_path / f"a.{kind}", header if kind == "csv" else f"{{{keys}}}")
    message = refusal(path)
    assert message.startswith(f"{path}:")
    assert reason in message


def test_column_twice_is_refused(tmp_path: Path) -> None:
    """A csv with two columns of one name is refused. A repeated key in a jsonl fails only its line."""
    assert "two columns 'a'" in refusal(write(tmp_path / "a.csv", "image_url,a,a\n"))


def test_url_column_may_have_another_name(tmp_path: Path) -> None:
    """`--url-column` names the column of the URLs; a column `image_url` beside it is refused."""
    path = write(tmp_path / "a.csv", f"caption,photo\nx,{URL}\n")
    manifest = inspect_manifest([str(path)], "photo")
    assert [entry.image_url for entry in entries(manifest) if isinstance(entry, ManifestRow)] == [URL]
    assert manifest.columns.names == ["caption"]
    assert "--url-column photo" in refusal(write(tmp_path / "b.csv", "photo,image_url\n"), url_column="photo")


def test_columns_of_several_files_are_put_together(tmp_path: Path) -> None:
    """Each row has the columns of all files, in types that hold all values; what its file lacks is null."""
    pq.write_table(
        pa.table({"n": pa.array([3], pa.int8()), "image_url": [URL], "p": [None]}), tmp_path / "d.parquet"
    )
    paths = [
        write(tmp_path / "a.jsonl", f'{{"image_url": "{URL}", "n": 1}}'),
        write(tmp_path / "b.csv", f"a,image_url\nx,{URL}\n"),
        write(tmp_path / "c.jsonl", f'{{"image_url": "{URL}", "n": 2.5, "p": 7}}'),
        tmp_path / "d.parquet",
        write(tmp_path / "e.txt", URL),
    ]
    columns = inspect_manifest(map(str, paths)).columns
    assert {field.name: str(field.type) for field in columns} == {"n": "double", "a": "string", "p": "int64"}
    found = [row.columns for row in rows(*paths)]
    assert found == [
        (1.0, None, None),
        (None, "x", None),
        (2.5, None, 7),
        (3.0, None, None),
        (None, None, None),
    ]
    assert [type(values[0]) for values in found] == [float, type(None), float, float, type(None)]


def test_columns_of_all_files_have_names_of_their_own(tmp_path: Path) -> None:
    """Columns of two files whose names differ only in case are refused."""
    paths = [write(tmp_path / f"{name}.csv", f"image_url,{name}\n") for name in ("Caption", "caption")]
    assert "(all files together) has columns 'Caption' and 'caption'" in refusal(*paths)


def test_clash_of_types_names_both_files(tmp_path: Path) -> None:
    """A column that is text in one file and a number in another is refused; the error names both files."""
    numbers = write(tmp_path / "a.jsonl", f'{{"image_url": "{URL}", "n": 1}}')
    texts = write(tmp_path / "b.csv", "image_url,n\n")
    assert f"column 'n' is int64 in {numbers} but string in {texts}" in refusal(numbers, texts)


def test_error_survives_pickling() -> None:
    """A ManifestError keeps its message after a pickle, which is how workers report errors."""
    assert str(pickle.loads(pickle.dumps(ManifestError("a.csv: no")))) == "a.csv: no"  # noqa: S301 - our own bytes


def test_local_files_are_inspected_without_beam(tmp_path: Path) -> None:
    """A wrong local path fails at once, because local files need no Beam, which takes seconds to import."""
    path = write(tmp_path / "a.csv", "image_url\n")
    code = f"""if True:
        import sys
        from facebeam.transforms.manifest.inspect_manifest import inspect_manifest
        inspect_manifest([{str(path)!r}])
        sys.exit("apache_beam" in sys.modules)"""
    root = Path(__file__).parents[3]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0


class _Mounted(LocalFileSystem):
    """A Beam file system that serves local paths as `mounted://...`, as a stand-in for an object store."""

    @classmethod
    def scheme(cls) -> str:
        """Give the scheme of the paths that Beam opens with this file system."""
        return _SCHEME.removesuffix("://")

    def match(self, patterns: list[str], limits: list[int | None] | None = None) -> list[MatchResult]:
        """Find files by the path after the scheme."""
        found = super().match([pattern.removeprefix(_SCHEME) for pattern in patterns], limits)  # type: ignore[no-untyped-call]  # Beam has no types here
        return [MatchResult(each.pattern, [_mounted(file) for file in each.metadata_list]) for each in found]

    def metadata(self, path: str) -> FileMetadata:
        """Tell a file's size and time of change by the path after the scheme."""
        return super().metadata(path.removeprefix(_SCHEME))  # type: ignore[no-untyped-call]  # as above

    def open(self, path: str, *args: str, **options: str) -> BinaryIO:
        """Open a file by the path after the scheme."""
        return super().open(path.removeprefix(_SCHEME), *args, **options)


_SCHEME = "mounted://"


def _mounted(file: FileMetadata) -> FileMetadata:
    return FileMetadata(_SCHEME + file.path, file.size_in_bytes, file.last_updated_in_seconds)


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.parquet"])
def test_remote_files_are_read_through_beam(tmp_path: Path, name: str) -> None:
    """Files of another file system are found by name and by glob, and are split and read like local ones."""
    content = f"image_url,a\n{URL},x\n".encode()
    if name.endswith("parquet"):
        pq.write_table(pa.table({"image_url": [URL], "a": ["x"]}), tmp_path / name)
    else:
        write(tmp_path / name, gzip.compress(content) if name.endswith("gz") else content)
    for pattern in (f"{_SCHEME}{tmp_path}/{name}", f"{_SCHEME}{tmp_path}/*"):
        manifest = inspect_manifest([pattern])
        assert [file.path for file in manifest.files] == [f"{_SCHEME}{tmp_path}/{name}"]
        assert entries(manifest) == [ManifestRow(URL, default_image_id(URL), ("x",))]


def test_remote_failures_name_path_and_cure(tmp_path: Path) -> None:
    """A missing or truncated remote file, or an unknown file system, raises the errors of local files."""
    assert "no such file" in refusal(f"{_SCHEME}{tmp_path}/a.csv")
    write(tmp_path / "a.csv.gz", gzip.compress(b"image_url\n" * 999)[:-9])
    with pytest.raises(ManifestError, match="gzip -t"):
        entries(inspect_manifest([f"{_SCHEME}{tmp_path}/a.csv.gz"]))
    refused = {"nowhere://a.csv": "no file system", "https://example.com/a.csv": "download a file"}
    for path, said in refused.items():
        with pytest.raises(RunError, match=f"{path}.*{said}"):
            inspect_manifest([path])


def test_a_remote_file_that_is_written_to_stops_the_run(tmp_path: Path) -> None:
    """A remote file with a new time of change ends the run, as a local one does."""
    path = write(tmp_path / "a.csv", f"image_url\n{URL}\n")
    manifest = inspect_manifest([f"{_SCHEME}{path}"])
    os.utime(path, (0, 1))
    with pytest.raises(ManifestError, match="has changed since the run began"):
        entries(manifest)


@pytest.mark.parametrize(
    ("path", "module", "cure"),
    [
        ("gs://bucket/a.csv", "google.cloud.storage", "facebeam[gcp]"),
        ("s3://bucket/a.csv", "boto3", "facebeam[aws]"),
        ("s3://bucket/*.csv", "boto3", "facebeam[aws]"),
        ("hdfs://host/a.csv", "hdfs", "apache-beam[hadoop]"),
        ("azfs://account/container/a.csv", "azure.storage.blob", "apache-beam[azure]"),
    ],
)
def test_a_missing_extra_is_named(path: str, module: str, cure: str) -> None:
    """A path of a store whose library is missing is refused, and the message names what to install."""
    if is_installed(module):
        pytest.skip(f"{module} is installed here")
    with pytest.raises(RunError, match=re.escape(cure)) as caught:
        inspect_manifest([path], "image_url")
    assert str(caught.value).startswith(f"{path}: the library for ")
