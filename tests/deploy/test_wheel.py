"""The wheel: its contents, and a run of it without the source tree."""

import subprocess
import sys
import sysconfig
import venv
from pathlib import Path
from zipfile import ZipFile

import pytest

from facebeam.transforms.local_model.weights import DETECTOR, MESH
from tests.helpers.console import ROOT, run_json, table

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel as `make wheel` does, but into another folder."""
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    (built,) = folder.glob("facebeam-*.whl")
    return built


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel into a fresh environment that borrows the locked packages, but not our checkout."""
    folder = tmp_path_factory.mktemp("venv")
    venv.create(folder, symlinks=True)
    python = folder / "bin/python"
    install = ["install", "--quiet", "--no-deps", "--no-index", "--ignore-installed", str(wheel)]
    subprocess.run([sys.executable, "-m", "pip", "--python", str(python), *install], check=True)
    own = folder / f"lib/python{sysconfig.get_python_version()}/site-packages"
    (own / "borrowed.pth").write_text(sysconfig.get_path("purelib"))  # its own .pth files are not read
    return python


def test_the_wheel_holds_one_package_and_the_weights(wheel: Path) -> None:
    """The wheel contains the package, the licence notice and the weights, and nothing else."""
    names = ZipFile(wheel).namelist()
    top = {name.split("/")[0] for name in names}
    assert {name for name in top if not name.endswith(".dist-info")} == {"facebeam"}
    assert {f"facebeam/transforms/local_model/weights/{name}" for name in (DETECTOR, MESH)} < set(names)
    assert any(name.endswith("/licenses/NOTICE") for name in names)
    assert not [name for name in names if "__pycache__" in name]


def test_the_installed_command_annotates_a_photograph(python: Path, photos: Path, tmp_path: Path) -> None:
    """The installed console script finds a face in a photograph, in a folder without sources."""
    (tmp_path / "photos.txt").write_text(f"{photos / 'astronaut.png'}\n")
    flags = ["--manifest", "photos.txt", "--output", "out", "--allow-local-files", "--run-id", "one"]
    command = [str(python.with_name("facebeam")), "annotate", *flags]
    finished = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    assert run_json(tmp_path / "out", "one")["counts"]["faces"] == 1
    assert len(table(tmp_path / "out", "faces")) == 1


def test_the_checkout_is_not_what_was_found(python: Path, tmp_path: Path) -> None:
    """Python imports the package from the fresh environment, not from the checkout."""
    script = "import facebeam; print(facebeam.__file__)"
    found = subprocess.check_output([str(python), "-c", script], cwd=tmp_path, text=True)
    assert Path(found).is_relative_to(python.parents[1]), found


def test_a_project_may_have_folders_of_our_names(python: Path, tmp_path: Path) -> None:
    """The library and the command work where the user's own project has `transforms` and `schemas`."""
    for name in ("schemas", "transforms", "pipelines", "runners"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("")
    script = (
        "import transforms; from facebeam.transforms.steps.annotate_images import AnnotateImages; "
        "print(transforms.__file__)"
    )
    command = [str(python), "-c", script]
    found = subprocess.check_output(command, cwd=tmp_path, text=True, stderr=subprocess.DEVNULL)
    assert Path(found).is_relative_to(tmp_path)
    (tmp_path / "urls.txt").write_text("https://example.com/a.jpg\n")
    flags = ["annotate", "--source", "fake", "--manifest", "urls.txt", "--output", "out"]
    command = [str(python), "-m", "facebeam.runners.cli", *flags]
    finished = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
