"""Inputs after public reports of people who do this job with other tools, each through the command line.

The inputs are in the developers' folder of facts; each has a README.txt with the report.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

from tests.helpers.api_console import with_token
from tests.helpers.console import FACEBEAM, ROOT, Finished, ends, facebeam, rehearse, table, write_urls
from tests.helpers.processes import free_port, serving
from tests.helpers.self_signed import self_signed_context

pytestmark = pytest.mark.slow

CASES = "findings/cases"
DOWNLOADED = ("--source", "local", "--allow-private-urls", "--workers", "1")
FROM_FILES = ("--source", "local", "--allow-local-files", "--workers", "1")
REHEARSED = ("--source", "fake")


@dataclass(frozen=True)
class Case:
    """One report.

    Args:
        folder: its folder.
        manifest: its manifests.
        flags: the other flags.
        ends: how the images end, sorted: `ok` or an error code; all made-up answers are `ok`. None: the run
            is refused.
        said: text in a dead letter's message, or in the refusal.
        kept: a column and its values, as texts; None for null.
    """

    folder: str
    manifest: Sequence[str]
    flags: Sequence[str] = REHEARSED
    ends: Sequence[str] | None = None
    said: str = ""
    kept: tuple[str, Sequence[str | None]] | None = None

    def __str__(self) -> str:
        """Name the test."""
        return " ".join([self.folder, self.manifest[0], *self.flags[4:], *self.flags[2:3]])


def downloaded(folder: str, *ends: str, said: str = "", flags: Sequence[str] = ()) -> Case:
    """Describe images that the local model fetches from the raw server."""
    return Case(folder, ["urls.txt"], (*DOWNLOADED, *flags), ends, said)


def answered(folder: str, *ends: str, said: str = "") -> Case:
    """Describe images that the API answers, byte for byte as reported."""
    return Case(folder, ["urls.txt"], ("--source", "api", "--rate", "50"), ends, said)


TABLE = [
    Case(
        "01-int-float-two-jsonl",
        ["day1.jsonl", "day2.jsonl"],
        ends=["ok", "ok"],
        kept=("tweet_id", ["1578123456789012345", "5.5"]),
    ),
    Case("01c-decimal-float", ["dec30.parquet", "f64.parquet"], said="'v' is decimal128(31, 30)"),
    Case("02-int64-double-parquet", ["day1.parquet", "day2.parquet"], said="tweet_id"),
    Case("02c-uint64-int64", ["uint64.parquet", "int64big.parquet"], said="uint64"),
    Case("03-latin1-header", ["cp1252hdr.csv"], said="iconv"),
    Case("03-latin1-header", ["lat.tsv"], said="iconv"),
    Case("03b-xlsx-named-csv", ["xlsx.csv"], said="xlsx"),
    Case("03e-twice-gz", ["dbl.csv.gz"], said="twice"),
    downloaded("06-stray-percent-path", "ok"),
    downloaded("06c-lower-hex", "ok"),
    downloaded("06e-empty-query", "ok"),
    downloaded("07-early-hints", "ok"),
    downloaded("08-location-latin1-path", "ok"),
    downloaded("08c-location-shift-jis", "ok"),
    downloaded("08d-location-backslash", "ok"),
    downloaded("09-gzip-identity", "ok"),
    downloaded("09c-brotli", "http_error", said="Content-Encoding br"),
    downloaded("10-content-length-list", "ok"),
    downloaded("11-cookie-redirect", "ok"),
    downloaded("12-many-headers", "ok"),
    downloaded("13-six-redirects", "ok"),
    downloaded("14-user-agent", "forbidden", said="--user-agent"),
    downloaded("14-user-agent", "ok", flags=("--user-agent", "ours/1.0 (us@example.com)")),
    Case("16-png-big-text", ["urls.txt"], FROM_FILES, ["ok"]),
    Case("16c-png-text-crc", ["urls.txt"], FROM_FILES, ["ok"]),
    Case("17-jpeg-no-eoi", ["urls.txt"], FROM_FILES, ["ok"]),
    answered("18-no-width", "ok"),
    answered("18b-float-width", "ok"),
    answered("18e-zero-width", "ok"),
    answered("18f-string-coordinates", "invalid_response"),
    answered("19-html-200", "response_truncated"),
    answered("19c-cut-json", "response_truncated"),
    answered("19d-missing-key-message", "invalid_response", said="face_shape_set is missing"),
    Case("21-backslash-quotes", ["backslashq.csv"], said="backslash"),
    Case("22-pandas-index", ["pandasidx.csv"], said="index=False"),
    Case("23-sep-line", ["sepline.csv"], said="sep="),
    Case("24-utf16-no-bom", ["utf16le_nobom.csv"], said="UTF-16"),
    Case("24-utf16-no-bom", ["utf16nobom.txt"], said="UTF-16"),
    Case("25-blank-excel-rows", ["blank.csv"], ends=["ok"] * 20),
    Case("26-case-of-output-column", ["colid.csv"], said="Source"),
    Case("27-data-url", ["data.txt"], ends=["invalid_manifest_row"], said="data:"),
    Case("27-data-url", ["data.txt"], FROM_FILES, ["invalid_manifest_row"], said="data:"),
    Case("27c-comment-line", ["comment.txt"], ends=["local_file_not_allowed", "ok"], said="# list"),
    Case("28-ndjson", ["x.ndjson"], ends=["ok"]),
    Case("29-gz-that-is-none", ["plain.csv.gz"], said="text"),
    Case("29-gz-that-is-none", ["bz2.csv.gz"], said="bzip2"),
    Case("29-gz-that-is-none", ["zip.csv.gz"], said="zip"),
    Case("29-gz-that-is-none", ["zstd.csv.gz"], said="zstd"),
    Case("30-fixed-size-list-null", ["fsl.parquet"], said=""),
    Case("31-string-view-and-string", ["strview.parquet", "dict.parquet"], ends=["ok"] * 6),
    Case("32-bad-utf8-in-struct", ["badutf8nested.parquet"], ends=["invalid_manifest_row", "ok", "ok"]),
    Case("33-emoji-host", ["idn.txt"], ("--source", "local"), ["host_not_found"]),
    Case("35-nan-in-jsonl", ["nan.jsonl"], ends=["ok", "ok"], kept=("s", ["1.5", None])),
]


@pytest.fixture(scope="module")
def port() -> int:
    """Find a port for the raw server, which stands in the manifests."""
    return free_port()


@pytest.fixture(scope="module")
def cases(shared: Path, port: int, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the cases, with the port of this run in their addresses."""
    folder = tmp_path_factory.mktemp("reported") / "cases"
    shutil.copytree(shared / CASES, folder, copy_function=shutil.copyfile)
    for path in [*folder.glob("*/*.txt"), *folder.glob("*/*.http")]:
        path.parent.chmod(0o755)
        content = path.read_bytes()
        path.write_bytes(content.replace(b":8901", b":%d" % port).replace(b":8903", b":%d" % port))
    return folder


@pytest.fixture(scope="module")
def server(cases: Path, port: int) -> Iterator[str]:
    """Answer as the reported hosts and services did, byte for byte."""
    command = [sys.executable, cases / "tools/serve_raw.py", port, cases]
    with serving(command, port, cases.parent / "server.log") as address:
        yield f"http://{address}"


def run_case(case: Case, cases: Path, output: Path, server: str) -> Finished:
    """Run the case's command in its folder."""
    api = ("--base-url", server, "--allow-private-urls") if "api" in case.flags else ()
    flags = (*case.flags, *api, "--max-failure-share", 1, "--run-id", "one")
    arguments = ("annotate", "--manifest", *case.manifest, "--output", output, *flags)
    return with_token(*arguments, cwd=cases / case.folder)


@pytest.mark.parametrize("case", [case for case in TABLE if case.ends is None], ids=str)
def test_a_manifest_that_cannot_be_read_is_refused(
    case: Case, cases: Path, tmp_path: Path, server: str
) -> None:
    """It ends with exit code 2 in one line that says what it is, and starts nothing."""
    finished = run_case(case, cases, tmp_path / "out", server)
    assert (finished.returncode, len(finished.stderr.splitlines())) == (2, 1), finished.stderr
    assert case.said in finished.stderr
    assert "damaged" not in finished.stderr


@pytest.mark.parametrize("case", [case for case in TABLE if case.ends is not None], ids=str)
def test_each_image_ends_as_it_should(case: Case, cases: Path, tmp_path: Path, server: str) -> None:
    """The run is committed; each image has its outcome or its error code, and own columns their values."""
    output = tmp_path / "out"
    finished = run_case(case, cases, output, server)
    assert finished.returncode in {0, 3}, finished.stderr
    images, letters = table(output, "images"), table(output, "dead_letters")
    found = [
        "ok" if source == "fake" else outcome for source, outcome in images[["source", "outcome"]].to_numpy()
    ]
    assert sorted([*found, *letters["error_code"]]) == [*(case.ends or ())], letters["message"]
    if case.said:
        assert case.said in "\n".join(letters["message"])
    if case.kept:
        column, values = case.kept
        texts = [None if pd.isna(value) else str(value) for value in images[column]]
        assert sorted(texts, key=str) == sorted(values, key=str)


def test_a_plan_refuses_what_a_run_refuses(cases: Path, tmp_path: Path) -> None:
    """`facebeam plan` reads a header of another encoding no better."""
    manifest = cases / "03-latin1-header/cp1252hdr.csv"
    finished = facebeam("plan", "--manifest", manifest, "--output", tmp_path / "out")
    assert finished.returncode == 2
    assert "iconv" in finished.stderr


@pytest.mark.parametrize("way", ["--ca-file", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
def test_a_private_authority_is_trusted(cases: Path, tmp_path: Path, way: str) -> None:
    """15: a host with a company's certificate is read with a flag, or with the environment's variables."""
    self_signed_context(tmp_path)
    authority, port = str(tmp_path / "localhost.pem"), free_port()
    manifest = write_urls(tmp_path / "urls.txt", [f"https://localhost:{port}/ok.jpg"])
    given = ("--ca-file", authority) if way == "--ca-file" else ("--trust-proxies",)
    variables = {} if way == "--ca-file" else {way: authority}
    command = [sys.executable, cases / "tools/serve_raw.py", port, cases, "--tls", authority]
    with serving(command, port, tmp_path / "server.log"):
        arguments = ("--manifest", manifest, "--output", tmp_path / "out", *DOWNLOADED, *given)
        finished = facebeam("annotate", *arguments, env=os.environ | variables)
    assert finished.returncode == 0, finished.stderr
    assert [*ends(tmp_path / "out").values()] == ["1 faces"]


@pytest.mark.parametrize(("folder", "said"), [("04-int-then-float", "score"), ("04c-new-column", "extra")])
def test_own_columns_that_change_are_said(cases: Path, tmp_path: Path, folder: str, said: str) -> None:
    """A run whose own columns differ from the last run's names them."""
    manifests = sorted((cases / folder).glob("*.jsonl"))
    nights = [rehearse(path, tmp_path / "out", "--run-id", path.stem) for path in manifests]
    differ = re.compile(f"own columns differ .*'{said}'")
    found = [(night.returncode, differ.search(night.stderr) is not None) for night in nights]
    assert found == [(0, False), (0, True)]


def test_all_runs_are_replayed_after_a_column_has_changed(cases: Path, tmp_path: Path) -> None:
    """04e: dead letters of runs with different types are run again together.

    The reported rows name local files; a run of nothing else is refused today, so they name FTP here.
    """
    for path in sorted((cases / "04e-replay-all").glob("*.jsonl")):
        path.write_text(path.read_text().replace("bad", "ftp://bad"))
        assert rehearse(path, tmp_path / "out", "--run-id", path.stem).returncode == 0
    flags = ("--run", "all", "--codes", "invalid_manifest_row", "--max-failure-share", 1)
    assert facebeam("replay", "--output", tmp_path / "out", *flags).returncode == 0


def test_an_id_with_another_manifest_is_refused(cases: Path, tmp_path: Path) -> None:
    """05: the second manifest under one id is not taken for the first."""
    codes = [
        rehearse(cases / "05-same-id-other-manifest" / name, tmp_path / "out", "--run-id", "d1").returncode
        for name in ("m1.csv", "m1.csv", "m2.csv")
    ]
    assert codes == [0, 0, 2]


def test_a_closed_stdout_ends_with_zero(cases: Path, tmp_path: Path) -> None:
    """20: a committed run is a success where nobody listens."""
    command = f"{FACEBEAM} annotate --source fake --output {tmp_path}/out --manifest m1.csv >&-"
    subprocess.run(["/bin/sh", "-c", command], cwd=cases / "20-stdout-closed", check=True)


def test_a_file_system_without_locks_is_usable(cases: Path, tmp_path: Path) -> None:
    """36: where flock answers ENOLCK, the run goes on with a lease."""
    if (compiler := shutil.which("cc")) is None:
        pytest.skip("no C compiler is here to make a flock that fails")
    library, folder = tmp_path / "nolock.so", cases / "36-no-flock"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, folder / "nolock.c"], check=True)
    command = [
        FACEBEAM,
        "annotate",
        "--source",
        "fake",
        "--output",
        f"{tmp_path}/out",
        "--manifest",
        "m1.csv",
    ]
    subprocess.run(command, cwd=folder, env=os.environ | {"LD_PRELOAD": str(library)}, check=True)


def test_the_documented_folder_of_no_dead_letter_is_the_real_one(cases: Path, tmp_path: Path) -> None:
    """34: docs/tables.md names the folder of an empty table of dead letters."""
    rehearse(cases / "28-ndjson/x.ndjson", tmp_path / "out", "--run-id", "one")
    (folder,) = (tmp_path / "out/dead_letters/run=one").iterdir()
    assert folder.name in (ROOT / "docs/tables.md").read_text()
