"""Install exactly what a lock lists: `python deploy/install_locked.py LOCK [PROJECT] [--into PYTHON]`.

It resolves no versions: it installs each package in its locked version and checks its sha256, also for the
packages that build a source archive. At the end it checks that no package lacks a dependency.

It uses uv: an old pip looks for newer releases of a locked package that has extras, and every pip takes ten
times as long. pip installs uv itself, by version and sha256. uv then uses pip's index and certificates.
"""

import argparse
import os
import subprocess
import sys
from ast import literal_eval
from collections.abc import Mapping
from pathlib import Path
from typing import Final

UV_LOCK: Final = Path(__file__).parents[1] / "requirements-uv.lock"
_PIP: Final = (sys.executable, "-m", "pip", "--disable-pip-version-check")
_UV: Final = (sys.executable, "-m", "uv", "--quiet")
_SECTIONS: Final = ("global", "install", ":env:")
"""Sections of pip's settings; a later one wins."""
_UV_NAMES: Final = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
    "proxy": "ALL_PROXY",
}
"""Setting of pip -> environment variable of uv."""


def read_pip_settings(listed: str) -> dict[str, str]:
    """Parse what `pip config list` prints, lines like `global.index-url='https://...'`: setting -> value."""
    lines = (line.partition("=") for line in listed.splitlines())
    found = [(*name.rpartition(".")[::2], literal_eval(value)) for name, _, value in lines]
    ranked = sorted(
        (each for each in found if each[0] in _SECTIONS), key=lambda each: _SECTIONS.index(each[0])
    )
    return {name: value for _, name, value in ranked}


def uv_environment(pip_settings: Mapping[str, str]) -> dict[str, str]:
    """Translate pip's settings into environment variables of uv; values may contain credentials."""
    named = {
        _UV_NAMES[name]: " ".join(value.split()) for name, value in pip_settings.items() if name in _UV_NAMES
    }
    folders = pip_settings.get("find-links", "").split()
    there = [
        folder for folder in folders if "://" in folder or Path(folder).exists()
    ]  # pip ignores the others
    links = {"UV_FIND_LINKS": ",".join(there)} if there else {}
    # Search all indexes, as pip does. This is safe here: only files with the locked sha256 are installed.
    # Compile bytecode, as pip does. Otherwise each start compiles again if it may not write bytecode.
    return {"UV_INDEX_STRATEGY": "unsafe-best-match", "UV_COMPILE_BYTECODE": "1", **named, **links}


def install_locked(lock: Path, project: Path | None, python: str) -> None:
    """Make an environment contain the lock's packages and the project, and nothing else.

    Args:
        lock: a requirements file in which each package has a version and sha256 sums.
        project: facebeam's wheel, or a checkout, which is installed as editable. None: only the lock.
        python: the interpreter of the environment.

    Raises:
        subprocess.CalledProcessError: pip or uv failed, and printed why.
    """
    _run(
        *_PIP,
        "install",
        "--quiet",
        "--no-deps",
        "--only-binary=:all:",
        "--require-hashes",
        "-r",
        str(UV_LOCK),
    )
    listed = subprocess.run([*_PIP, "config", "list"], check=True, capture_output=True, text=True).stdout  # noqa: S603
    settings = read_pip_settings(listed)
    os.environ.update(
        {name: value for name, value in uv_environment(settings).items() if name not in os.environ}
    )
    target = ("--python", python)
    index = ("--no-index",) if settings.get("no-index", "").lower() in {"1", "true", "yes", "on"} else ()
    checked = ("--system-certs", "--require-hashes", "--require-build-hashes", f"--build-constraints={lock}")
    _run(*_UV, "pip", "sync", *target, *index, *checked, str(lock))
    if project:
        editable = ("--editable",) if project.is_dir() else ()
        _run(*_UV, "pip", "install", *target, "--no-deps", "--no-build-isolation", *editable, str(project))
    _run(*_UV, "pip", "check", *target)
    # `check` ignores extras, such as google-auth[pyopenssl]; a dry installation without any index does not.
    _run(*_UV, "pip", "install", *target, "--dry-run", "--no-index", "--offline", "--requirement", str(lock))


def _run(*command: str) -> None:
    subprocess.run(command, check=True)  # noqa: S603 - pip and uv


def main() -> None:
    """Install from the command line; exit with 1 if pip or uv fails."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "lock", type=Path, metavar="LOCK", help="requirements file with the sha256 of each package"
    )
    parser.add_argument(
        "project", type=Path, nargs="?", metavar="PROJECT", help="facebeam's wheel, or a checkout"
    )
    parser.add_argument(
        "--into",
        default=sys.executable,
        metavar="PYTHON",
        help="the interpreter to install for (default: this one)",
    )
    chosen = parser.parse_args()
    try:
        install_locked(chosen.lock, chosen.project, chosen.into)
    except subprocess.CalledProcessError as error:
        sys.exit(f"{chosen.lock} could not be installed: {error.cmd[2]} printed the reason above")


if __name__ == "__main__":
    main()
