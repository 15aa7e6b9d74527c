"""Find the files of a manifest: names and globs, local and remote."""

import stat
from collections.abc import Iterable, Mapping
from glob import glob, has_magic
from pathlib import Path

from transforms.manifest_formats.file_state import local_state, remote_state
from transforms.manifest_formats.manifest_error import ManifestError, manifest_errors
from transforms.manifest_formats.manifest_file import FileState
from transforms.manifest_formats.open_manifest import is_remote, remote_errors


def find_manifests(patterns: Iterable[str]) -> Mapping[str, FileState]:
    """Find every file once, in the order of the patterns: path -> state. A glob skips folders.

    Raises:
        ManifestError: a pattern finds nothing, or what is no file.
    """
    found: dict[str, FileState] = {}
    for pattern in patterns:
        files = _remote(pattern) if is_remote(pattern) else _local(pattern)
        if not files:
            raise ManifestError(f"{pattern}: no such file: check --manifest, and quote a glob")
        found.update(files)
    return found


def _remote(pattern: str) -> Mapping[str, FileState]:
    from apache_beam.io.filesystems import FileSystems  # noqa: PLC0415 - slow

    with manifest_errors(pattern), remote_errors(pattern):
        matches = FileSystems.match([pattern])[0].metadata_list
    return {
        file.path: remote_state(file.size_in_bytes, file.last_updated_in_seconds)
        for file in sorted(matches, key=lambda file: file.path)
    }


def _local(pattern: str) -> Mapping[str, FileState]:
    """Take a name as it is where such a file lies; only then as a glob."""
    with manifest_errors(pattern):
        if not has_magic(pattern) or Path(pattern).exists():
            return {str(Path(pattern)): _state(pattern)}
        paths = sorted(glob(pattern, recursive=True))  # noqa: PTH207 - Path.glob takes no absolute patterns
        return {str(Path(path)): _state(path) for path in paths if not Path(path).is_dir()}


def _state(path: str) -> FileState:
    mode = Path(path).stat().st_mode
    if stat.S_ISDIR(mode):
        raise ManifestError(
            f"{path}: is a folder without images: name its files, for example '{path.rstrip('/')}/*.csv'"
        )
    if not stat.S_ISREG(mode):
        raise ManifestError(
            f"{path}: is no regular file: it is read more than once, so write it to disk first"
        )
    return local_state(path)
