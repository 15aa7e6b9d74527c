"""docs/library.md: each block runs as it stands there."""

import ast
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from shutil import copy

import pytest

from tests.helpers.console import ROOT, table


def run_block(title: str, show: str, folder: Path) -> str:
    """Run the Python of a section, and what shows its result, in a process of its own; give the output."""
    section = (ROOT / "docs/library.md").read_text().split(f"## {title}\n")[1].split("\n## ")[0]
    (block,) = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    command = [sys.executable, "-c", f"{block}\n{show}"]
    finished = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


def test_one_image_has_its_face_from_bytes_an_image_and_an_array(tmp_path: Path, photos: Path) -> None:
    """The three ways to give an image find the same face."""
    copy(photos / "astronaut.png", tmp_path / "photo.png")
    show = "print(len(faces), faces[0].shape, (faces[0] == same[0]).all(), (faces[0] == again[0]).all())"
    assert run_block("One image", show, tmp_path) == "1 (90, 2) True True\n"


def test_the_steps_work_in_another_pipeline(tmp_path: Path, photos: Path) -> None:
    """A row ends as an annotation or as a dead letter."""
    copy(photos / "astronaut.png", tmp_path / "photo.png")
    run_block("In your own pipeline", "", tmp_path)
    assert sorted((tmp_path / "found").read_text().split("\n")) == ["", "a: 1", "b: not_found"]


def test_a_source_of_ones_own_fills_the_tables(tmp_path: Path) -> None:
    """A source with the least that must be written goes through the whole pipeline."""
    (tmp_path / "photos.txt").write_text("https://example.com/a.jpg\nhttps://example.com/gone.jpg\n")
    run_block("A source of your own", "", tmp_path)
    images, letters = (table(tmp_path / "out", name) for name in ("images", "dead_letters"))
    assert images[["source", "face_count", "attempts"]].to_numpy().tolist() == [["my-model", 1, 1]]
    assert letters["error_code"].astype(str).tolist() == ["not_found"]


@pytest.mark.parametrize("page", ["library.md", "read.md"])
def test_what_the_pages_import_is_public(page: str) -> None:
    """Each name that a page imports from facebeam is in its module's `__all__`."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / page).read_text(), re.DOTALL)
    statements = (node for block in blocks for node in ast.walk(ast.parse(block)))
    for found in statements:
        if isinstance(found, ast.ImportFrom) and (found.module or "").startswith("facebeam"):
            public = import_module(found.module or "").__all__
            assert {alias.name for alias in found.names} <= {*public}, found.module
