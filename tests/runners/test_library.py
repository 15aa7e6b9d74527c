"""docs/library.md: each block runs as it stands there."""

import re
import subprocess
import sys
from pathlib import Path
from shutil import copy

from tests.helpers.console import ROOT


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
