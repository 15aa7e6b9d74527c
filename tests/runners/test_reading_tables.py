"""docs/read.md: each block runs as it stands there, on tables that `facebeam annotate` has written."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow.parquet as pq
import pytest

from facebeam.schemas.tables import face_points
from tests.helpers.console import ROOT, rehearse

READERS = ROOT / ".readers"
"""The environment with polars, DuckDB, Spark and Hugging Face's datasets."""
TORCH = ROOT / ".torch"
"""The environment with torch."""

NO_FACE, ONE_FACE, TWO_FACES, THREE_FACES = (
    f"https://example.com/{name}.jpg" for name in ("d0", "b0", "a8", "c28")
)
"""By the URLs alone the fake source knows their faces."""
TIMEOUT: Final = "https://example.com/fail-timeout/c.jpg"
_SPARK: Final = (
    "--master local[2] --conf spark.ui.enabled=false --conf spark.sql.shuffle.partitions=1 "
    "--conf spark.driver.extraJavaOptions=-XX:TieredStopAtLevel=1 pyspark-shell"
)
"""Spark plans for clusters and long jobs: 200 tasks of a handful of rows, and a minute of optimizing Java."""
FIRST, SECOND, THIRD, KILLED = "2026-11-21", "2026-11-22", "2026-11-23", "2026-11-24"
"""Run ids that look like dates."""
Row = tuple[str, float, str, str, str | None, str]
COLUMNS: Final = ("image_url", "score", "place", "committed_at", "extra", "run")
"""What a row shows: the image, the manifest's own columns, and its run.

`place` and `committed_at` are names that the blocks could use for columns of their own."""


def nights() -> Mapping[str, Sequence[Mapping[str, object]]]:
    """Give the manifests: run id -> rows."""
    numbers = {"score": 7, "place": 1, "committed_at": "9999-01-01"}
    texts = {"score": 7.5, "place": "one", "committed_at": "1999-01-01", "extra": "new"}
    twice = [{"image_id": image_id, "image_url": TWO_FACES, **texts} for image_id in ("a", "a", "a2")]
    failed = {"image_url": TIMEOUT, **texts}
    first = [{"image_url": url, **numbers} for url in (NO_FACE, ONE_FACE, TWO_FACES, THREE_FACES)]
    return {
        FIRST: first,
        SECOND: [*twice, failed],
        THIRD: [{"image_url": NO_FACE, **texts}],
        KILLED: [{"image_url": ONE_FACE, **texts}],
    }


OLD_ROWS: Final[list[Row]] = [
    (url, 7.0, "1", "9999-01-01", None, FIRST) for url in (NO_FACE, ONE_FACE, TWO_FACES, THREE_FACES)
]
NEW_ROWS: Final[list[Row]] = [
    (url, 7.5, "one", "1999-01-01", "new", run)
    for url, run in ((TWO_FACES, SECOND), (TWO_FACES, SECOND), (TWO_FACES, SECOND), (NO_FACE, THIRD))
]
NEWEST: Final[list[Row]] = [OLD_ROWS[1], OLD_ROWS[3], NEW_ROWS[0], NEW_ROWS[3]]
FACES: Final[list[Row]] = [OLD_ROWS[1], *[OLD_ROWS[3]] * 3, *[NEW_ROWS[0]] * 2]


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Annotate the nights into one output; what the last one leaves is that of a run killed half-way."""
    folder = tmp_path_factory.mktemp("nights")
    for run_id, rows in nights().items():
        manifest = folder / f"{run_id}.jsonl"
        manifest.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
        finished = rehearse(manifest, folder / "out", "--run-id", run_id)
        assert finished.returncode == 0, finished.stderr
    shutil.rmtree(folder / "out/_runs" / KILLED)
    shutil.rmtree(folder / "out/images" / f"run={KILLED}")
    return folder / "out"


@dataclass(frozen=True)
class Reader:
    """A block of the page, and the Python that shows what it has read."""

    title: str
    rows: str
    """Gives the rows of `{}`, a name of the block's, as dictionaries."""
    shows: Mapping[str, Sequence[Row]]
    """Name in the block -> rows that it must have."""
    points: str = "points"
    """Gives the points of the newest faces."""


NAMES: Final = {"images": NEWEST, "faces": FACES, "history": [*OLD_ROWS, *NEW_ROWS]}
PANDAS = Reader("pandas", "{}.to_dict('records')", NAMES)
PYARROW = Reader(
    "pyarrow, and tables larger than memory",
    "pyarrow.dataset.dataset({}).to_table().to_pylist()",
    {"'newest_faces'": FACES},
    "face_points(newest('out', 'faces').read_all())",
)
OTHERS = (
    Reader("polars", "{}.to_dicts()", NAMES),
    Reader(
        "DuckDB",
        "duckdb.sql({!r}).df().to_dict('records')",
        {"FROM newest_images": NEWEST, "FROM newest_faces": FACES, "FROM images": NAMES["history"]},
        "face_points(duckdb.sql('FROM newest_faces').df())",
    ),
    Reader("Spark", "{}.select(*COLUMNS).toArrow().to_pylist()", NAMES, "face_points(faces.toArrow())"),
    Reader("Hugging Face datasets", "{}.to_list()", {"faces": FACES}),
)


def block(title: str) -> str:
    """Take the code below a title of docs/read.md; SQL becomes Python that has DuckDB execute it."""
    page = (ROOT / "docs/read.md").read_text()
    found = re.search(rf"^## {re.escape(title)}\n+```(\w+)\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    assert found, f"docs/read.md has no code below {title!r}"
    return found[2] if found[1] == "python" else f"import duckdb\nduckdb.execute({found[2]!r})"


def run_code(python: Path, code: str, output: Path, folder: Path) -> dict[str, list[list[object]]]:
    """Run a program in a folder with the tables in `out`; give the JSON that it prints last."""
    (folder / "out").symlink_to(output)
    alone = {
        "PYTHONPATH": str(ROOT),
        "HOME": str(folder),
        "HF_HUB_OFFLINE": "1",
        "SPARK_LOCAL_IP": "127.0.0.1",
        "PYSPARK_SUBMIT_ARGS": _SPARK,
    }
    finished = subprocess.run(
        [python, "-c", code],
        cwd=folder,
        env=os.environ | alone,
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    found: dict[str, list[list[object]]] = json.loads(finished.stdout.splitlines()[-1])
    return found


def check_reader(reader: Reader, python: Path, output: Path, folder: Path) -> None:
    """See that a block reads each row once, with its values, and the points of all newest faces."""
    shown = ", ".join(f"{name!r}: {reader.rows.format(name)}" for name in reader.shows)
    code = f"""{block(reader.title)}
import json
from facebeam.schemas.tables import face_points
COLUMNS = {COLUMNS}
def shown(row):
    return [None if row[name] != row[name] else row[name] for name in COLUMNS]
tables = {{name: [shown(row) for row in rows] for name, rows in {{{shown}}}.items()}}
points = {reader.points}
assert (points.dtype, points.shape) == ("float32", ({len(FACES)}, 90, 2)), (points.dtype, points.shape)
print(json.dumps(tables | {{"points": points.astype(float).sum(axis=(1, 2)).tolist()}}))
"""
    found = run_code(python, code, output, folder)
    sums = found.pop("points")
    for name, rows in found.items():
        expected = reader.shows.get(name) or reader.shows[name.strip("'")]
        assert sorted(map(repr, rows)) == sorted(repr([*row]) for row in expected), name
    assert np.allclose(sorted(np.asarray(sums, float)), sorted(expected_sums(output)))


def expected_sums(output: Path) -> Sequence[float]:
    """Sum up the points of each newest face, read file by file."""
    first, second = (
        pq.ParquetFile(next((output / "faces" / f"run={run}").iterdir())).read() for run in (FIRST, SECOND)
    )
    of_first = [url != TWO_FACES for url in first["image_url"].to_pylist()]
    of_second = face_points(second.filter([image_id == "a2" for image_id in second["image_id"].to_pylist()]))
    points = np.concatenate([face_points(first.filter(of_first)), of_second])
    return list(points.astype(float).sum(axis=(1, 2)))


def python_of(environment: Path) -> Path:
    """Give the interpreter of an environment that make makes; skip the test if it is not there."""
    if not (environment / "ready").exists():
        pytest.skip(f"{environment} is not there: run 'make {environment.name}/ready'")
    return environment / "bin/python"


@pytest.mark.parametrize("reader", [PANDAS, PYARROW], ids=lambda reader: reader.title)
def test_what_the_wheel_brings_reads_the_tables(reader: Reader, output: Path, tmp_path: Path) -> None:
    """The blocks of pandas and pyarrow give the newest rows, all rows and the points."""
    check_reader(reader, Path(sys.executable), output, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("reader", OTHERS, ids=lambda reader: reader.title)
def test_other_libraries_read_the_tables(reader: Reader, output: Path, tmp_path: Path) -> None:
    """The other blocks give the same rows, with the library of their name."""
    if reader.title == "Spark" and not shutil.which("java"):
        pytest.skip("no Java here: Spark needs it")
    check_reader(reader, python_of(READERS), output, tmp_path)


@pytest.mark.slow
def test_torch_reads_the_tables(output: Path, tmp_path: Path) -> None:
    """Torch's loader gives each face of the newest answers once, as tensors."""
    show = """
import json
(urls, points), = loader
assert (points.dtype, points.shape) == (torch.float32, (len(urls), 90, 2))
print(json.dumps({"faces": [*zip(urls, points.double().sum(dim=(1, 2)).tolist())]}))
"""
    found = run_code(python_of(TORCH), block("torch") + show, output, tmp_path)["faces"]
    assert sorted(str(url) for url, _ in found) == sorted(url for url, *_ in FACES)
    assert np.allclose(sorted(float(str(total)) for _, total in found), sorted(expected_sums(output)))


def test_every_block_is_tested() -> None:
    """The page has no code beyond the blocks that these tests run."""
    titles = re.findall(r"^## (.+)$", (ROOT / "docs/read.md").read_text(), re.MULTILINE)
    assert titles == [PANDAS.title, PYARROW.title, *(reader.title for reader in OTHERS), "torch"]
    assert (ROOT / "docs/read.md").read_text().count("```") == 2 * len(titles)
