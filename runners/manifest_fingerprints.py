"""Tell one manifest from another by its content."""

from collections.abc import Iterable
from hashlib import file_digest
from pathlib import Path

from transforms.manifest_formats.open_manifest import is_remote


def manifest_fingerprints(paths: Iterable[str]) -> dict[str, str]:
    """Give path -> `sha256:<hex>`, or the checksum that a bucket keeps of an object."""
    return {path: _checksum(path) if is_remote(path) else _sha256(path) for path in paths}


def _sha256(path: str) -> str:
    with Path(path).open("rb") as file:
        return f"sha256:{file_digest(file, 'sha256').hexdigest()}"


def _checksum(path: str) -> str:
    from apache_beam.io.filesystems import FileSystems  # noqa: PLC0415 - slow

    return str(FileSystems.checksum(path))
