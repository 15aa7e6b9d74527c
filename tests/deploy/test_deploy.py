"""deploy/: the image agrees with lock and project, the units are right, and nothing is secret."""

import json
import platform
import re
import shutil
import subprocess
from pathlib import Path
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement

from tests.helpers.console import FACEBEAM, ROOT
from tests.helpers.deploy_files import DEPLOY, text
from tests.helpers.worker_pool import worker_environment
from transforms.local_model.weights import DETECTOR, MESH
from transforms.same_version import installed_version

LOCK = (ROOT / "requirements.lock").read_text()
LOCKED = [Requirement(pin) for pin in re.findall(r"^([a-z0-9-]+==[^\\]+?) \\$", LOCK, re.MULTILINE)]
LOOKS_SECRET = re.compile(r"(?=[A-Za-z]*[0-9])[A-Za-z0-9]{24,}|-----BEGIN|Bearer ")
"""Long words with digits in them, keys and headers."""


def pins(python: str = platform.python_version()) -> dict[str, str]:
    """Read what the lock lists for a version of Python on this machine: name -> version."""
    here = {"python_full_version": python, "python_version": python.rpartition(".")[0]}
    taken = [pin for pin in LOCKED if pin.marker is None or pin.marker.evaluate(here)]
    return {pin.name: str(pin.specifier).removeprefix("==") for pin in taken}


@pytest.fixture(scope="module")
def worker() -> Path:
    """Give the environment that holds what the image holds."""
    return worker_environment()


def test_the_image_has_the_locked_beam_and_our_python() -> None:
    """Expect one version of Beam and of Python in Dockerfile, lock and Makefile."""
    (found,) = re.findall(
        r"^FROM apache/beam_python(\S+)_sdk:(\S+) AS worker$", text("Dockerfile"), re.MULTILINE
    )
    python, beam = found
    assert beam == pins()["apache-beam"]
    assert f"PYTHON ?= python{python}\n" in (ROOT / "Makefile").read_text()


def test_the_build_sees_what_the_dockerfile_copies_and_nothing_else() -> None:
    """Expect the ignore file to let in the copied files alone."""
    copied = re.findall(r"^COPY (?!--)(.+) \S+$", text("Dockerfile"), re.MULTILINE)
    let_in = re.findall("^!(.+)$", text("Dockerfile.dockerignore"), re.MULTILINE)
    assert sorted(path for line in copied for path in line.split()) == sorted(let_in)
    assert text("Dockerfile.dockerignore").startswith("*\n")


def test_image_and_worker_environment_are_made_alike() -> None:
    """Expect both to install the lock and our wheel by the script that resolves nothing."""
    for steps in (text("Dockerfile"), (ROOT / "Makefile").read_text()):
        assert re.search(r"install_locked\.py requirements\.lock \S*\.whl", steps)


def test_every_locked_package_has_its_hashes() -> None:
    """Expect a sha256 for each pin, since the image installs with --require-hashes."""
    assert len(LOCKED) == len(
        re.findall(r"^[a-z0-9-]+==[^\\]+ \\\n    --hash=sha256:[0-9a-f]{64}", LOCK, re.MULTILINE)
    )


def test_the_worker_environment_is_the_lock_and_our_wheel(worker: Path) -> None:
    """Expect exactly the locked versions, this version of facebeam, and what a new venv brings."""
    script = (
        "import json, platform; from importlib.metadata import distributions as d;"
        "names = {p.name.lower().replace('_', '-').replace('.', '-'): p.version for p in d()};"
        "print(json.dumps([platform.python_version(), names]))"
    )
    python, found = json.loads(subprocess.check_output([worker / "bin/python", "-I", "-c", script]))
    assert found.pop("facebeam") == installed_version()
    found.pop("pip", None)
    assert found == pins(python)


def test_the_workers_wheel_holds_the_weights(worker: Path) -> None:
    """Expect both networks in the one wheel that the image would install."""
    (wheel,) = (worker / "wheel").glob("facebeam-*.whl")
    names = ZipFile(wheel).namelist()
    assert {f"transforms/local_model/weights/{name}" for name in (DETECTOR, MESH)} < set(names)


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="there is no systemd-analyze here")
def test_systemd_takes_the_units(tmp_path: Path) -> None:
    """Expect no complaint about service and timer, with the command at a place where it is installed here."""
    for unit in (DEPLOY / "systemd").iterdir():
        (tmp_path / unit.name).write_text(unit.read_text().replace("/opt/facebeam/bin/facebeam", FACEBEAM))
    verify = ["systemd-analyze", "verify", "--man=no", *map(str, sorted(tmp_path.iterdir()))]
    verified = subprocess.run(verify, capture_output=True, text=True, check=False)
    assert (verified.returncode, verified.stderr) == (0, "")


def test_the_launcher_is_where_the_template_looks_for_it() -> None:
    """Expect the copied file to be the one that the launcher is told to run."""
    copied = re.findall(r"^COPY deploy/dataflow/launch.py (\S+)$", text("Dockerfile"), re.MULTILINE)
    assert re.findall(r"^ENV FLEX_TEMPLATE_PYTHON_PY_FILE=(\S+)$", text("Dockerfile"), re.MULTILINE) == copied


def test_nothing_in_deploy_looks_like_a_secret() -> None:
    """Expect no long random word, no key and no header in any file."""
    files = [path for path in DEPLOY.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    assert len(files) > 8
    assert {path.name: LOOKS_SECRET.findall(path.read_text()) for path in files} == {
        path.name: [] for path in files
    }
