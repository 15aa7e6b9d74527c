"""Images that take a manifest's place: a folder of photographs, a glob, a single file."""

import os
from collections.abc import Iterator, Mapping
from glob import glob
from pathlib import Path
from typing import Final

from transforms.manifest_formats.manifest_error import manifest_errors
from transforms.manifest_formats.open_manifest import is_remote, remote_errors

ENDINGS: Final = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".avif", ".bmp", ".tif", ".tiff")


def image_files(pattern: str) -> Mapping[str, str]:
    """Find the images that a pattern names, sorted: path -> its path below the folder, or the path itself.

    A folder is searched to its end; what begins with a dot is passed over. Of a bucket only globs that end
    like images are looked for. The result is empty where a pattern names no image, or a manifest too.

    Raises:
        ManifestError: a bucket or a folder cannot be read.
    """
    with manifest_errors(pattern):
        if is_remote(pattern):
            return {path: path for path in sorted(_in_bucket(pattern))} if is_image(pattern) else {}
        if Path(pattern).is_dir():
            return {path: os.path.relpath(path, pattern) for path in sorted(_below(pattern))}
        names = [pattern] if Path(pattern).is_file() else glob(pattern, recursive=True)  # noqa: PTH207 - as for manifests
        files = [name for name in names if not Path(name).is_dir()]
        return {name: name for name in sorted(files)} if all(map(is_image, files)) else {}


def is_image(path: str) -> bool:
    """Tell an image by its ending."""
    return path.lower().endswith(ENDINGS)


def _below(folder: str) -> Iterator[str]:
    """Walk a folder; links to folders are followed by nobody, since they may lead in a circle."""
    for place, folders, names in os.walk(folder, onerror=_raise):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (str(Path(place, name)) for name in names if is_image(name) and name[0] != ".")


def _raise(error: OSError) -> None:
    raise error


def _in_bucket(pattern: str) -> Iterator[str]:
    from apache_beam.io.filesystems import FileSystems  # noqa: PLC0415 - slow

    with remote_errors(pattern):
        yield from (file.path for file in FileSystems.match([pattern])[0].metadata_list)
