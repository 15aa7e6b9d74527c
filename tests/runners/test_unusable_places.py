"""Paths on file systems that facebeam cannot use: every command names the path and the cure."""

from pathlib import Path

import pytest

from tests.helpers.console import facebeam, write_urls

AZURE = "pip install 'apache-beam[azure]'"
ANNOTATE = "annotate --source fake --manifest urls.txt --output out"


@pytest.mark.parametrize(
    ("command", "path", "cure"),
    [
        ("annotate --source fake --output out --manifest", "azfs://account/box/urls.txt", AZURE),
        ("annotate --source fake --manifest urls.txt --output", "azfs://account/box/out", AZURE),
        (f"{ANNOTATE} --journal", "azfs://account/box/journal", AZURE),
        (
            "annotate --source api --manifest urls.txt --output out --token-file",
            "azfs://account/box/t",
            AZURE,
        ),
        ("plan --source fake --output out --manifest", "azfs://account/box/urls.txt", AZURE),
        ("export --format coco --to new --output", "azfs://account/box/out", AZURE),
        ("export --format coco --output out --to", "azfs://account/box/new", AZURE),
        ("report --output", "azfs://account/box/out", AZURE),
        ("compare --with one --output", "azfs://account/box/out", AZURE),
        ("runs --output", "azfs://account/box/out", AZURE),
        (f"{ANNOTATE} --journal", "http://host/journal", "a folder must be in gs://, s3:// or hdfs://"),
        ("report --output", "abfs://box@account/out", "use gs://, s3:// or hdfs://"),
        ("report --output out --with-output", "ftp://host/out", "use gs://, s3:// or hdfs://"),
    ],
)
def test_a_place_that_cannot_be_used_is_named(tmp_path: Path, command: str, path: str, cure: str) -> None:
    """A command exits with 2 and one line: the path as it was given, and what to do."""
    write_urls(tmp_path / "urls.txt", ["https://example.com/a.jpg"])
    finished = facebeam(*command.split(), path, cwd=tmp_path)
    assert (finished.returncode, finished.stdout) == (2, "")
    (line,) = finished.stderr.splitlines()
    assert line.startswith((f"facebeam: {path}: ", f"facebeam: {path} is on a web server: "))
    assert cure in line
