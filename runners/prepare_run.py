"""From checked flags to what a run works with: everything that is wrong outside the rows is found here.

Nothing here imports Beam: a wrong path is told in a fraction of a second.
"""

import platform
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version

from runners.options import AnnotateOptions
from transforms.face_source import FaceSource
from transforms.fake_source import FakeSource
from transforms.inspect_manifest import Manifest, inspect_manifest

BYTES_A_SHARD = 1_000_000
"""Manifest bytes a shard: some ten thousand rows, which are in memory at a time."""
MOST_SHARDS = 512


def find_manifest(options: AnnotateOptions) -> Manifest:
    """Inspect the manifest's files; raises ManifestError."""
    return inspect_manifest(options.manifest, options.url_column, allow_local_files=options.allow_local_files)


def choose_source(options: AnnotateOptions) -> FaceSource:
    """Describe the face source.

    Raises:
        RunError: the local model's weights are missing or altered; says which make target mends that.
    """
    if options.source == "fake":
        return FakeSource()
    from transforms.image_fetch.allowed_addresses import any_address, is_public  # noqa: PLC0415 - requests is slow
    from transforms.image_fetch.fetch_image import ImageFetcher  # noqa: PLC0415 - as above
    from transforms.local_model.weights import check_weights  # noqa: PLC0415 - only where they are used
    from transforms.local_source import LocalSource  # noqa: PLC0415 - the networks' runtime is slow

    check_weights()
    rule = any_address if options.allow_private_urls else is_public
    return LocalSource(ImageFetcher(options.allow_local_files, rule), options.workers)


def shards_for(manifest: Manifest) -> int:
    """Choose the number of shards by the manifest's size; shards follow one another on one machine."""
    size_bytes = sum(file.size_bytes for file in manifest.files)
    return min(MOST_SHARDS, 1 + size_bytes // BYTES_A_SHARD)


def facts_of(options: AnnotateOptions, manifest: Manifest) -> Mapping[str, object]:
    """Give what a run's record says besides counts and files: options, versions, start."""
    packages = ("facebeam", "apache-beam", "pyarrow", "numpy")
    return {
        "started_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "options": asdict(options),
        "manifests": {file.path: file.size_bytes for file in manifest.files},
        "versions": {"python": platform.python_version(), **{name: version(name) for name in packages}},
    }
