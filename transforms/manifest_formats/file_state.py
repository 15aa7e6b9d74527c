"""See that a file of a manifest is still the one that was inspected."""

from pathlib import Path

from transforms.manifest_formats.manifest_error import ManifestError, manifest_errors
from transforms.manifest_formats.manifest_file import FileState, ManifestFile
from transforms.manifest_formats.open_manifest import is_remote


def check_unchanged(file: ManifestFile) -> None:
    """See that nobody has written to a file since it was inspected.

    Raises:
        ManifestError: its size or its time of change differs, or it is gone.
    """
    with manifest_errors(file.path):
        now = _ask_store(file.path) if is_remote(file.path) else local_state(file.path)
    if now.size_bytes != file.state.size_bytes:
        change = f"had {file.state.size_bytes} bytes when the run began, now {now.size_bytes}"
    elif now != file.state:
        change = "was written to after the run began"
    else:
        return
    raise ManifestError(f"{file.path}: {change}: wait until it is written, then run again")


def local_state(path: str) -> FileState:
    """Give the state of a file on this machine."""
    status = Path(path).stat()
    return FileState(status.st_size, status.st_mtime_ns)


def remote_state(size_bytes: int, changed_at_s: float) -> FileState:
    """Give the state of a file in a store. A listing may have fractions of seconds that the file lacks."""
    return FileState(size_bytes, int(changed_at_s))


def _ask_store(path: str) -> FileState:
    from apache_beam.io.filesystems import FileSystems  # noqa: PLC0415 - slow

    found = FileSystems.get_filesystem(path).metadata(path)
    return remote_state(found.size_in_bytes, found.last_updated_in_seconds)
