"""A run id that is committed means one run: its command may be repeated, and nothing else."""

import json
from pathlib import Path

import pytest

from tests.helpers.console import TABLES, annotate, rehearse, run_json, table, visible, write_urls

PRIVATE = "http://127.0.0.1:9/a.jpg"


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """Commit run one of two URLs; give its output."""
    manifest = write_urls(tmp_path / "one.txt", ["https://example.com/1.jpg", "https://example.com/2.jpg"])
    done = rehearse(manifest, tmp_path / "out", "--run-id", "one", "--max-age", "30d")
    assert done.returncode == 0, done.stderr
    return tmp_path / "out"


@pytest.mark.parametrize("flags", [(), ("--shards", 3), ("--log-format", "json")])
def test_the_same_command_again_does_nothing(output: Path, flags: tuple[object, ...]) -> None:
    """The repeated command exits with 0, also with flags that change no row and for a manifest that moved."""
    moved = (output.parent / "one.txt").rename(output.parent / "moved.txt")
    again = rehearse(moved, output, "--run-id", "one", "--max-age", "30d", *flags)
    assert (again.returncode, "nothing to do" in again.stderr) == (0, True)


def test_a_manifest_that_is_gone_is_no_other(output: Path) -> None:
    """A command that is repeated after its manifest was deleted does nothing, with exit 0."""
    (output.parent / "one.txt").unlink()
    again = rehearse(output.parent / "one.txt", output, "--run-id", "one", "--max-age", "30d")
    assert (again.returncode, "nothing to do" in again.stderr) == (0, True)


@pytest.mark.parametrize("name", ["one.txt", "two.txt"])
def test_another_manifest_is_refused(output: Path, name: str) -> None:
    """Other rows under the same id end with exit 2 and both manifests, even at the same path and size."""
    other = write_urls(output.parent / name, ["https://example.com/3.jpg", "https://example.com/4.jpg"])
    refused = rehearse(other, output, "--run-id", "one", "--max-age", "30d")
    assert refused.returncode == 2
    assert "run one is committed already as another run: its manifest was" in refused.stderr
    assert f"and this one is {other} (sha256:" in refused.stderr
    assert "give this run another --run-id" in refused.stderr
    assert len(table(output, "images", "one")) == 2


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--mode", 1, "--max-age", "30d"), "its --mode was 0, and is 1 here"),
        (("--max-age", "1d"), "its --max-age was 2592000.0, and is 86400.0 here"),
        ((), "its --max-age was 2592000.0, and is None here"),
        (
            ("--allow-private-urls", "--max-age", "30d"),
            "its --allow-private-urls was False, and is True here",
        ),
    ],
)
def test_another_flag_is_refused(output: Path, flags: tuple[object, ...], said: str) -> None:
    """A flag that may change rows ends the second command with exit 2 and both values."""
    refused = rehearse(output.parent / "one.txt", output, "--run-id", "one", *flags)
    assert refused.returncode == 2
    assert said in refused.stderr


@pytest.mark.parametrize("name", ["one.txt", "two.txt"])
def test_a_run_that_died_while_it_was_published_is_one_run_too(output: Path, name: str) -> None:
    """The next command under its id finishes it; one with another manifest then exits with 2."""
    records, staging = output / "_runs/one", output / "_staging/one"
    files = [path for table in TABLES for path in (output / table).rglob("*.parquet")]
    sizes = {str(path.relative_to(output)).replace("run=one/", ""): path.stat().st_size for path in files}
    staging.mkdir(parents=True)
    record = json.loads((records / "run.json").read_text())
    (staging / "plan.json").write_text(json.dumps({"files": sizes, "record": record}))
    (records / "run.json").unlink()
    (records / "_SUCCESS").unlink()
    write_urls(output.parent / "two.txt", ["https://example.com/3.jpg"])
    finished = rehearse(output.parent / name, output, "--run-id", "one", "--max-age", "30d")
    assert finished.returncode == (0 if name == "one.txt" else 2), finished.stderr
    assert "run one was interrupted after it was checked; it is published now" in finished.stderr
    assert ("committed already as another run: its manifest was" in finished.stderr) == (name == "two.txt")
    assert len(table(output, "images", "one")) == 2


@pytest.mark.parametrize(
    ("urls", "code", "flag"),
    [
        (
            ["photos/a.jpg", "/srv/b.jpg", "gs://bucket/c.jpg"],
            "local_file_not_allowed",
            "--allow-local-files",
        ),
        ([PRIVATE, f"{PRIVATE}?b"], "forbidden_address", "--allow-private-urls"),
    ],
)
def test_a_run_that_was_set_up_wrongly_is_not_committed(
    tmp_path: Path, urls: list[str], code: str, flag: str
) -> None:
    """Rows that all fail by one rule end the run with exit 2 and name the flag; its id stays free."""
    manifest, output = write_urls(tmp_path / "photos.txt", urls), tmp_path / "out"
    refused = annotate(manifest, output, "--run-id", "one")
    assert refused.returncode == 2, refused.stderr
    assert f"all {len(urls)} rows failed in one way, so nothing is committed: {code}" in refused.stderr
    assert flag in refused.stderr
    assert visible(output) == []
    again = annotate(manifest, output, "--run-id", "one", flag)
    assert (again.returncode, run_json(output, "one")["counts"]["rows_read"]) == (0, len(urls))


def test_one_row_that_fails_otherwise_commits_the_run(tmp_path: Path) -> None:
    """A run with any other row is committed: a bad row never ends a run."""
    manifest = write_urls(tmp_path / "photos.txt", ["a.jpg", "b.jpg", PRIVATE])
    done = annotate(manifest, tmp_path / "out", "--run-id", "one")
    assert done.returncode == 0, done.stderr
    dead = run_json(tmp_path / "out", "one")["counts"]["dead"]
    assert dead == {"forbidden_address": 1, "local_file_not_allowed": 2}
