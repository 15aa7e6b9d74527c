"""The examples of a run's dead letters: one per error code, and each file is read once."""

from pathlib import Path
from shutil import rmtree

from facebeam.schemas.layout import Layout
from facebeam.transforms.results.dead_examples import DeadExample, dead_examples
from facebeam.transforms.steps.publish import read_record
from tests.helpers.console import rehearse, write_urls


def test_summary_and_post_read_an_example_once(tmp_path: Path) -> None:
    """The rows of a run never change, so the second look at its examples needs no file."""
    urls = ["https://example.com/fail-timeout/a.jpg?key=1"] * 2
    rehearse(write_urls(tmp_path / "urls.txt", urls), tmp_path / "out", "--run-id", "one")
    layout = Layout(str(tmp_path / "out"), "one")
    record = read_record(layout)
    examples = dead_examples(layout, record)
    url = "https://example.com/fail-timeout/a.jpg"
    assert examples == {"timeout": DeadExample(url, f"{url} asks to fail with timeout")}
    rmtree(layout.published("dead_letters"))
    assert dead_examples(layout, record) == examples
