"""Functions that read manifest files as a run does, but without a Beam runner."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from facebeam.schemas.values import DeadLetter, ManifestRow
from facebeam.transforms.manifest.inspect_manifest import Manifest, inspect_manifest
from facebeam.transforms.manifest.manifest_row import manifest_row
from facebeam.transforms.manifest.read_records import read_records, split_manifest

URL = "https://example.com/a.jpg"


def entries(manifest: Manifest, part_bytes: int = 1 << 20) -> list[ManifestRow | DeadLetter]:
    """Read every entry of a manifest in its order."""
    return [
        manifest_row(record, file, allow_local_files=manifest.allow_local_files)
        for file in manifest.files
        for part in split_manifest(file, part_bytes)
        for record in read_records(part, manifest.columns)
    ]


def read(*paths: Path) -> list[ManifestRow | DeadLetter]:
    """Inspect manifest files and read all their entries."""
    return entries(inspect_manifest(map(str, paths)))


def rows(*paths: Path) -> list[ManifestRow]:
    """Read manifest files; fail if they have a bad row."""
    found = read(*paths)
    assert all(isinstance(entry, ManifestRow) for entry in found), found
    return [entry for entry in found if isinstance(entry, ManifestRow)]


def letters(*paths: Path) -> list[DeadLetter]:
    """Read manifest files; fail if they have a good row."""
    found = read(*paths)
    assert all(isinstance(entry, DeadLetter) for entry in found), found
    return [entry for entry in found if isinstance(entry, DeadLetter)]


def arrow_types(path: Path) -> dict[str, str]:
    """Inspect a file, and give the types of the user's own columns: column name -> type name."""
    columns: Sequence[pa.Field] = list(inspect_manifest([str(path)]).columns)
    return {field.name: str(field.type) for field in columns}


def write(path: Path, content: str | bytes) -> Path:
    """Write a file and keep its line ends as they are."""
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path
