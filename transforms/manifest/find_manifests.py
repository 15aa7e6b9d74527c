"""Find the files that match the paths and globs of --manifest: manifests and images."""

import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from glob import glob, has_magic
from pathlib import Path
from typing import Final

from facebeam.transforms.files import local
from facebeam.transforms.files.any_store import is_local, store_of
from facebeam.transforms.files.store import FoundFile
from facebeam.transforms.manifest.manifest_file import ManifestError, manifest_errors

ENDINGS: Final = (
    *(".jpg", ".jpeg", ".jfif", ".jpe", ".png", ".webp", ".gif", ".avif", ".bmp", ".tif", ".tiff"),
    *(".heic", ".heif", ".jp2", ".jxl"),  # the local model cannot decode these, so they become dead letters
)


def image_files(pattern: str) -> Mapping[str, str]:
    """Find the images that match a pattern, sorted: path -> its path within the folder, or the path itself.

    A folder is searched with all its subfolders; names that begin with a dot are skipped. In a bucket, only
    globs that end like images are searched. The result is empty if other files than images match.

    Raises:
        ManifestError: a bucket or a folder cannot be read.
    """
    with manifest_errors(pattern):
        if not is_local(pattern):
            return {path: path for path in store_of(pattern).matching(pattern)} if is_image(pattern) else {}
        if Path(pattern).is_dir():
            return {path: os.path.relpath(path, pattern) for path in sorted(_below(pattern))}
        names = [pattern] if Path(pattern).is_file() else glob(pattern, recursive=True)  # noqa: PTH207 - as for manifests
        files = [name for name in names if not Path(name).is_dir()]
        return {name: name for name in sorted(files)} if all(map(is_image, files)) else {}


def is_image(path: str) -> bool:
    """Tell whether a path ends like an image."""
    return path.lower().endswith(ENDINGS)


def _below(folder: str) -> Iterator[str]:
    """Walk a folder; links to folders are not followed, since they may lead in a circle."""
    for place, folders, names in os.walk(folder, onerror=_raise):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (str(Path(place, name)) for name in names if is_image(name) and name[0] != ".")


def _raise(error: OSError) -> None:
    raise error


def find_manifests(patterns: Iterable[str]) -> Mapping[str, FoundFile]:
    """Find every file once, in the order of the patterns: path -> state. A glob skips folders.

    Raises:
        ManifestError: nothing matches a pattern, or something that is not a file.
    """
    found: dict[str, FoundFile] = {}
    for pattern in patterns:
        with manifest_errors(pattern):
            files = _local(pattern) if is_local(pattern) else store_of(pattern).matching(pattern)
        if not files:
            raise ManifestError(f"{pattern}: no such file: check --manifest, and quote a glob")
        found.update(files)
    return found


def _local(pattern: str) -> Mapping[str, FoundFile]:
    """Read a name as a path if such a file exists, otherwise as a glob."""
    if not has_magic(pattern) or Path(pattern).exists():
        return {str(Path(pattern)): _state(pattern)}
    return {str(Path(path)): _state(path) for path in local.matching(pattern)}


def _state(path: str) -> FoundFile:
    mode = Path(path).stat().st_mode
    if stat.S_ISDIR(mode):
        raise ManifestError(
            f"{path}: is a folder without images: name its files, for example '{path.rstrip('/')}/*.csv'"
        )
    if not stat.S_ISREG(mode):
        raise ManifestError(
            f"{path}: is not a regular file: facebeam reads it more than once, so write it to disk "
            "first, or give it as standard input to --manifest -"
        )
    return local.state(path)
