"""The image of deploy/ agrees with the lock and the project, its units are valid, and nothing is secret."""

import json
import platform
import re
import shutil
import subprocess
from pathlib import Path
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement

from facebeam.transforms.local_model.weights import DETECTOR, MESH
from facebeam.transforms.steps.same_version import installed_version
from tests.helpers.console import FACEBEAM, ROOT
from tests.helpers.deploy_files import DEPLOY, text
from tests.helpers.mounts import NO_MOUNT, in_own_mounts
from tests.helpers.worker_pool import worker_environment

LOCK = (ROOT / "requirements.lock").read_text()
LOCKED = [Requirement(pin) for pin in re.findall(r"^([a-z0-9-]+==[^\\]+?) \\$", LOCK, re.MULTILINE)]
LOOKS_SECRET = re.compile(r"(?=[A-Za-z]*[0-9])[A-Za-z0-9]{24,}|-----BEGIN|Bearer ")
"""Matches long words with digits in them, private keys and bearer headers."""


def pins(python: str = platform.python_version()) -> dict[str, str]:
    """Give what the lock lists for a version of Python on this machine: name -> version."""
    here = {"python_full_version": python, "python_version": python.rpartition(".")[0]}
    taken = [pin for pin in LOCKED if pin.marker is None or pin.marker.evaluate(here)]
    return {pin.name: str(pin.specifier).removeprefix("==") for pin in taken}


@pytest.fixture(scope="module")
def worker() -> Path:
    """Give the environment that holds the same packages as the image."""
    return worker_environment()


def test_the_image_has_the_locked_beam_and_our_python() -> None:
    """The Dockerfile has the lock's version of Beam and the Makefile's version of Python."""
    (found,) = re.findall(
        r"^FROM apache/beam_python(\S+)_sdk:(\S+) AS worker$", text("Dockerfile"), re.MULTILINE
    )
    python, beam = found
    assert beam == pins()["apache-beam"]
    assert f"PYTHON ?= python{python}\n" in (ROOT / "Makefile").read_text()


def test_the_build_sees_what_the_dockerfile_copies_and_nothing_else() -> None:
    """The ignore file lets in exactly the files that the Dockerfile copies."""
    copied = re.findall(r"^COPY (?!--)(.+) \S+$", text("Dockerfile"), re.MULTILINE)
    let_in = re.findall("^!(.+)$", text("Dockerfile.dockerignore"), re.MULTILINE)
    assert sorted(path for line in copied for path in line.split()) == sorted(let_in)
    assert text("Dockerfile.dockerignore").startswith("*\n")


def test_image_and_worker_environment_are_made_alike() -> None:
    """Dockerfile and Makefile install the lock and our wheel with the same script, which resolves nothing."""
    for steps in (text("Dockerfile"), (ROOT / "Makefile").read_text()):
        assert re.search(r"install_locked\.py requirements\.lock \S*\.whl", steps)


def test_every_locked_package_has_its_hashes() -> None:
    """Each pin of the lock has a sha256, because the image installs with --require-hashes."""
    assert len(LOCKED) == len(
        re.findall(r"^[a-z0-9-]+==[^\\]+ \\\n    --hash=sha256:[0-9a-f]{64}", LOCK, re.MULTILINE)
    )


def test_the_worker_environment_is_the_lock_and_our_wheel(worker: Path) -> None:
    """The worker environment holds exactly the locked versions, this version of facebeam, and maybe pip."""
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
    """The one wheel that the image installs contains the weights of both networks."""
    (wheel,) = (worker / "wheel").glob("facebeam-*.whl")
    names = ZipFile(wheel).namelist()
    assert {f"facebeam/transforms/local_model/weights/{name}" for name in (DETECTOR, MESH)} < set(names)


def test_a_base_that_lacks_a_library_fails_the_build(worker: Path) -> None:
    """The build loads what a run loads. That works with the image's packages, but not without libstdc++."""
    (check,) = re.findall(r"^RUN (python -c .+)$", text("Dockerfile"), re.MULTILINE)
    load = f"cd / && PATH={worker}/bin:$PATH {check}"
    mapped = Path("/proc/self/maps").read_text().splitlines()
    (library,) = {line.split()[-1] for line in mapped if "/libstdc++.so" in line}
    assert in_own_mounts(load).returncode == 0
    finished = in_own_mounts(f"mount --bind /dev/null {library} || exit {NO_MOUNT}; {load}")
    assert finished.returncode == 1
    assert "libstdc++" in finished.stderr


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="there is no systemd-analyze here")
def test_systemd_takes_the_units(tmp_path: Path) -> None:
    """The service and the timer pass `systemd-analyze verify`, with the command's path on this machine."""
    for unit in (DEPLOY / "systemd").iterdir():
        (tmp_path / unit.name).write_text(unit.read_text().replace("/opt/facebeam/bin/facebeam", FACEBEAM))
    verify = ["systemd-analyze", "verify", "--man=no", *map(str, sorted(tmp_path.iterdir()))]
    verified = subprocess.run(verify, capture_output=True, text=True, check=False)
    assert (verified.returncode, verified.stderr) == (0, "")


def test_the_launcher_is_where_the_template_looks_for_it() -> None:
    """The image has the launched file at the path that the template's launcher runs."""
    copied = re.findall(r"^COPY deploy/dataflow/launch.py (\S+)$", text("Dockerfile"), re.MULTILINE)
    assert re.findall(r"^ENV FLEX_TEMPLATE_PYTHON_PY_FILE=(\S+)$", text("Dockerfile"), re.MULTILINE) == copied


def test_nothing_in_deploy_looks_like_a_secret() -> None:
    """No file of deploy/ contains a long random word, a private key or a bearer header."""
    files = [path for path in DEPLOY.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    assert len(files) > 8
    assert {path.name: LOOKS_SECRET.findall(path.read_text()) for path in files} == {
        path.name: [] for path in files
    }
