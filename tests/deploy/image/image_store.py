"""A store of images of its own, with stand-ins for the images that deploy/Dockerfile builds on."""

import os
import shutil
import sys
from pathlib import Path
from subprocess import check_output, run
from typing import Final

from deploy.install_locked import read_pip_settings
from tests.helpers.console import ROOT
from tests.helpers.worker_pool import BOOT

STORE: Final = ROOT / ".image"
"""Everything that is made here; no other build on this machine takes a stand-in for the real image."""
_DEBIAN: Final = "bookworm"
"""The Debian whose Python is 3.11, as in Beam's image."""
_CERTIFICATES: Final = "/etc/ssl/certs/ca-certificates.crt"
"""Where Debian's programs look for certificates."""

USE: Final = os.environ | {"CONTAINERS_STORAGE_CONF": str(STORE / "storage.conf")}
"""Environment of a program that uses the store."""
BUILD: Final = USE | {
    "CONTAINERS_CONF": str(STORE / "containers.conf"),
    # RUN works in a chroot: it needs no container runtime, and has this machine's network.
    "BUILDAH_ISOLATION": "chroot",
    # Keep the layer of each line, so that the launcher's build begins where the worker's ended.
    "BUILDAH_LAYERS": "true",
}
"""Environment of a program that builds into the store."""


def missing() -> str | None:
    """Name the first thing that this machine lacks to build and run the image."""
    for program in ("buildah", "podman", "runc", "mmdebstrap", "apt-get"):
        if not shutil.which(program):
            return program
    if not BOOT.exists():
        return "Beam's boot program, which Go builds"
    if not _mirror():
        return f"Debian's {_DEBIAN} in the lists of 'apt-get update'"
    return None if _mounts_overlays() else "the right to mount an overlay, or a file system that takes one"


def make_stand_ins(stand_ins: dict[str, str]) -> None:
    """Build stand-ins in the store: stage of bases.Dockerfile -> name of the image."""
    _lend_network_settings()
    if (mirror := _mirror()) and not (STORE / "debian.tar").exists():
        _make_debian(mirror)
    file = Path(__file__).with_name("bases.Dockerfile")
    for stage, name in stand_ins.items():
        command = ("buildah", "build", f"--file={file}", f"--target={stage}", f"--tag={name}", str(ROOT))
        run(command, env=BUILD, check=True)


def _mounts_overlays() -> bool:
    """Write the store's settings, and tell whether its layers can share their files.

    The other driver, vfs, works everywhere but copies each layer whole: it took ten minutes and 6 GB.
    """
    STORE.mkdir(exist_ok=True)
    folders = f'graphroot = "{STORE}/layers"\nrunroot = "{STORE}/run"\n'
    (STORE / "storage.conf").write_text(f'[storage]\ndriver = "overlay"\n{folders}')
    for probe in (("unshare", "--mount", "true"), ("buildah", "info")):
        if run(probe, env=USE, capture_output=True, check=False).returncode != 0:
            return False
    return True


def _lend_network_settings() -> None:
    """Mount this machine's pip settings and certificates into each build; no layer keeps them."""
    listed = check_output([sys.executable, "-m", "pip", "config", "list"], text=True)
    settings = read_pip_settings(listed)
    certificates = settings.pop("cert", _CERTIFICATES)
    lines = (f"{name} = {value}\n" for name, value in settings.items())
    pip = STORE / "pip.conf"
    pip.touch(0o600)  # an index's address may contain a password
    pip.write_text("[global]\n" + "".join(lines))
    mounts = [f"{certificates}:{_CERTIFICATES}:ro", f"{pip}:/etc/pip.conf:ro"]
    (STORE / "containers.conf").write_text(f"[containers]\nvolumes = {mounts}\n")


def _make_debian(mirror: str) -> None:
    """Make a Debian with Python."""
    packages = "python3-pip,python-is-python3,libstdc++6,ca-certificates,passwd"
    changes = (
        # pip may change this Python, as in Beam's image.
        'rm "$1"/usr/lib/python3.11/EXTERNALLY-MANAGED',
        # The addresses of this machine's mirror and name servers do not enter the image.
        'rm -f "$1"/etc/apt/sources.list "$1"/etc/resolv.conf "$1"/etc/hostname',
    )
    # mmdebstrap writes each file three times and waits for the disk: in memory it takes half as long.
    in_memory = ("unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /mnt && TMPDIR=/mnt exec "$@"', "sh")
    install = ("mmdebstrap", "--variant=essential", f"--include={packages}")
    unfinished = STORE / "unfinished.tar"
    then = [f"--customize-hook={change}" for change in changes]
    run([*in_memory, *install, *then, _DEBIAN, unfinished, mirror], check=True)
    unfinished.rename(STORE / "debian.tar")


def _mirror() -> str | None:
    """Give the address from which apt gets this Debian, if this machine has it in apt's lists."""
    targets = ("apt-get", "indextargets", "--format", "$(REPO_URI)")
    listed = check_output([*targets, "Created-By: Packages", f"Codename: {_DEBIAN}"], text=True)
    return next(iter(listed.split()), None)
