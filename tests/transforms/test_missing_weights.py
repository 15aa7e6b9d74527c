"""Packages without the right model weights: the user learns how to fix it before Beam starts."""

import os
import subprocess
import sys
from pathlib import Path
from shutil import copytree, ignore_patterns

import pytest

from facebeam.transforms.local_model.weights import DETECTOR, MESH
from tests.helpers.console import ROOT, write_urls


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the package without the model weights."""
    folder = tmp_path_factory.mktemp("packages")
    copytree(ROOT / "facebeam", folder / "facebeam", ignore=ignore_patterns("__pycache__", "*.tflite"))
    return folder


@pytest.mark.parametrize("altered", [None, DETECTOR, MESH])
def test_wrong_weights_name_the_make_target(packages: Path, tmp_path: Path, altered: str | None) -> None:
    """Missing or altered weights end the run with exit 2 and one line, and without output.

    The line names the file, what is wrong with it, and `make weights`.
    """
    weights = packages / "facebeam/transforms/local_model/weights"
    weights.mkdir(exist_ok=True)
    for name in (DETECTOR, MESH) if altered else ():
        content = (ROOT / "transforms/local_model/weights" / name).read_bytes()
        (weights / name).write_bytes(content + b"!" if name == altered else content)
    manifest = write_urls(tmp_path / "photos.txt", ["https://example.com/a.jpg"])
    flags = ["--manifest", str(manifest), "--output", str(tmp_path / "out")]
    finished = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "facebeam.runners.annotate", *flags],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(packages)},
        capture_output=True,
        text=True,
        check=False,
    )
    (line,) = [each for each in finished.stderr.splitlines() if not each.startswith("import time:")]
    assert finished.returncode == 2
    assert line.startswith(f"facebeam: {weights / (altered or DETECTOR)}: ")
    assert ("expected sha256" if altered else "No such file") in line
    assert "`make weights`" in line
    assert "apache_beam" not in finished.stderr
    assert not (tmp_path / "out").exists()
