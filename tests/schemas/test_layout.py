"""Where a run's files lie: staged files apart from those that readers see, in folders with Hive's names."""

import pytest

from facebeam.schemas.layout import Layout

RUN = Layout("out", "r1")


def test_every_path_of_a_run() -> None:
    """A run has the paths that the documentation names."""
    assert RUN.staging == "out/_staging/r1"
    assert RUN.plan == "out/_staging/r1/plan.json"
    assert RUN.staged("faces", "a.parquet") == "out/_staging/r1/faces/a.parquet"
    assert RUN.run_json == "out/_runs/r1/run.json"
    assert RUN.success == "out/_runs/r1/_SUCCESS"
    assert RUN.lock == "out/_runs/r1/lock"
    assert RUN.folder("faces") == "out/faces"


def test_published_files_lie_in_their_partitions() -> None:
    """A published path has the table's folder, the run's folder, the partition if any, and the name."""
    assert RUN.published("images") == "out/images/run=r1"
    assert RUN.published("images", "a.parquet") == "out/images/run=r1/a.parquet"
    deep = RUN.published("dead_letters", "error_code=timeout/a.parquet")
    assert deep == "out/dead_letters/run=r1/error_code=timeout/a.parquet"


@pytest.mark.parametrize(
    ("output", "plan"),
    [
        ("out/", "out/_staging/r1/plan.json"),
        ("/data//", "/data/_staging/r1/plan.json"),
        ("/", "/_staging/r1/plan.json"),
        ("gs://bucket", "gs://bucket/_staging/r1/plan.json"),
        ("s3://bucket/a b[1]*/", "s3://bucket/a b[1]*/_staging/r1/plan.json"),
    ],
)
def test_any_spelling_of_the_output(output: str, plan: str) -> None:
    """One slash separates the output from the rest, and the output itself stays as it is."""
    assert Layout(output, "r1").plan == plan


def test_only_tables_have_a_folder_of_all_runs() -> None:
    """A name that is not the name of a table raises KeyError."""
    with pytest.raises(KeyError, match="face"):
        RUN.folder("face")
