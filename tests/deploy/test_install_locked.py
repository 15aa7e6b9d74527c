"""deploy/install_locked.py installs exactly what the lock lists, whatever else the index offers."""

import json
import os
import subprocess
import sys
import tarfile
import venv
from collections.abc import Iterable, Mapping
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.helpers.console import ROOT, Finished

pytestmark = pytest.mark.slow

PIPS = ROOT / ".pips"
"""Wheels of several versions of pip, and of uv; `make .pips/ready` downloads them."""
SCRIPT = ROOT / "deploy/install_locked.py"
NEWEST = "newest"


class Index:
    """A folder that pip and uv use as their package index."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._sums: dict[str, str] = {}

    def add_wheel(self, name: str, version: str, *requires: str, extra: str = "") -> None:
        """Add an empty package as a wheel; `extra` is a requirement of its extra `more`."""
        info = f"{name}-{version}.dist-info"
        extras = f"Provides-Extra: more\nRequires-Dist: {extra}; extra == 'more'\n" if extra else ""
        lines = "".join(f"Requires-Dist: {each}\n" for each in requires) + extras
        content = BytesIO()
        with ZipFile(content, "w") as wheel:
            wheel.writestr(
                f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{lines}"
            )
            wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            wheel.writestr(f"{info}/RECORD", "")
        self._add(name, version, f"{name}-{version}-py3-none-any.whl", content.getvalue())

    def add_source(self, name: str, version: str, built_with: str) -> None:
        """Add a package as a source archive whose build needs another package."""
        built = f'[build-system]\nrequires = ["{built_with}"]\nbuild-backend = "{built_with}"\n'
        files = {
            "pyproject.toml": built,
            "PKG-INFO": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        }
        content = BytesIO()
        with tarfile.open(fileobj=content, mode="w:gz") as archive:
            for path, text in files.items():
                member = tarfile.TarInfo(f"{name}-{version}/{path}")
                member.size = len(text)
                archive.addfile(member, BytesIO(text.encode()))
        self._add(name, version, f"{name}-{version}.tar.gz", content.getvalue())

    def write_lock(self, path: Path, pins: Iterable[str]) -> Path:
        """Write a lock of these packages, `name==version`, with their true sums."""
        path.write_text("".join(f"{pin} --hash=sha256:{self._sums[pin]}\n" for pin in pins))
        return path

    def _add(self, name: str, version: str, file: str, content: bytes) -> None:
        page = self.folder / name / "index.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        (page.parent / file).write_bytes(content)
        self._sums[f"{name}=={version}"] = sha256(content).hexdigest()
        with page.open("a") as links:
            links.write(f'<a href="{file}">{file}</a>\n')


@pytest.fixture
def index(tmp_path: Path) -> Index:
    """Offer two releases of `engine`, whose extra needs `fuel`, and `app`, which needs that extra."""
    made = Index(tmp_path / "index")
    made.add_wheel("app", "1.0", "engine[more]")
    made.add_wheel("engine", "1.0", extra="fuel")
    made.add_wheel("engine", "2.0", extra="fuel")
    made.add_wheel("fuel", "1.0")
    return made


def environment_with_pip(folder: Path, version: str) -> Path:
    """Make a virtual environment with this version of pip; give its Python."""
    if not (PIPS / "ready").exists():
        pytest.skip("no versions of pip: run 'make .pips/ready'")
    wheels = {wheel.name.split("-")[1]: wheel for wheel in PIPS.glob("pip-*.whl")}
    venv.create(folder, symlinks=True)
    (packages,) = folder.glob("lib/*/site-packages")
    with ZipFile(wheels[max(wheels, key=_parts) if version == NEWEST else version]) as wheel:
        wheel.extractall(packages)  # noqa: S202 - pip's own wheel, checked by its sha256
    return folder / "bin/python"


def _parts(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]


def install(python: Path, index: Index, lock: Path, *flags: object) -> Finished:
    """Run the script in an environment; pip's configuration names this index and the folder with uv."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_"))}
    configuration = lock.with_name("pip.conf")
    configuration.write_text(f"[global]\nindex-url = {index.folder.as_uri()}\nfind-links = {PIPS}\n")
    settings = {"PIP_CONFIG_FILE": str(configuration), "UV_CACHE_DIR": str(lock.with_name("cache"))}
    command = [*map(str, (python, SCRIPT, lock, *flags))]
    return subprocess.run(
        command, env=plain | settings, capture_output=True, text=True, timeout=120, check=False
    )


def installed(python: Path) -> Mapping[str, str]:
    """List what is installed besides pip and uv: name -> version."""
    script = (
        "import json; from importlib.metadata import distributions as d;"
        "print(json.dumps({p.name: p.version for p in d() if p.name not in ('pip', 'uv')}))"
    )
    found: dict[str, str] = json.loads(subprocess.check_output([python, "-I", "-c", script]))
    return found


@pytest.mark.parametrize("pip", ["23.0.1", "23.2.1", NEWEST])
def test_a_newer_release_of_a_locked_package_with_an_extra_is_not_taken(
    tmp_path: Path, index: Index, pip: str
) -> None:
    """With any version of pip, the script installs exactly the locked versions and no other package."""
    python = environment_with_pip(tmp_path / "venv", pip)
    lock = index.write_lock(tmp_path / "a.lock", ["app==1.0", "engine==1.0", "fuel==1.0"])
    finished = install(python, index, lock)
    assert finished.returncode == 0, finished.stderr
    assert installed(python) == {"app": "1.0", "engine": "1.0", "fuel": "1.0"}


def test_another_file_than_the_locked_one_is_refused(tmp_path: Path, index: Index) -> None:
    """If the index serves other bytes, the script exits with 1, shows the locked sum and installs nothing."""
    python = environment_with_pip(tmp_path / "venv", NEWEST)
    lock = index.write_lock(tmp_path / "a.lock", ["fuel==1.0"])
    locked = lock.read_text().strip().rpartition(":")[2]
    index.add_wheel("fuel", "1.0", "engine")
    finished = install(python, index, lock)
    assert finished.returncode == 1
    assert "ash mismatch" in finished.stderr
    assert locked in finished.stderr
    assert installed(python) == {}


def test_a_dependency_that_the_lock_lacks_is_told(tmp_path: Path, index: Index) -> None:
    """The script exits with 1 and names a dependency that the lock lacks, even if the index has it."""
    python = environment_with_pip(tmp_path / "venv", NEWEST)
    lock = index.write_lock(tmp_path / "a.lock", ["app==1.0", "engine==1.0"])
    finished = install(python, index, lock)
    assert finished.returncode == 1
    assert "fuel" in finished.stderr
    assert f"{lock} could not be installed" in finished.stderr


def test_a_source_archive_is_built_with_locked_packages_only(tmp_path: Path, index: Index) -> None:
    """The script refuses a build that needs a package which is not in the lock."""
    python = environment_with_pip(tmp_path / "venv", NEWEST)
    index.add_wheel("builder", "1.0")
    index.add_source("made", "1.0", built_with="builder")
    finished = install(python, index, index.write_lock(tmp_path / "a.lock", ["made==1.0"]))
    assert finished.returncode == 1
    assert "builder" in finished.stderr
    assert installed(python) == {}


def test_what_another_lock_had_installed_is_removed(tmp_path: Path, index: Index) -> None:
    """With `--into`, the script works on another environment and removes what only an earlier lock had."""
    python = environment_with_pip(tmp_path / "venv", NEWEST)
    for pins in (["app==1.0", "engine==1.0", "fuel==1.0"], ["fuel==1.0"]):
        lock = index.write_lock(tmp_path / "a.lock", pins)
        finished = install(Path(sys.executable), index, lock, "--into", python)
        assert finished.returncode == 0, finished.stderr
    assert installed(python) == {"fuel": "1.0"}
