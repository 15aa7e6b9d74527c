"""Find an `image_id` that names two images: the tables would hold both, and joins by it would mix them."""

from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from typing import Final

import pyarrow as pa

from transforms.inspect_manifest import Manifest
from transforms.manifest_formats.manifest_error import ManifestError
from transforms.manifest_formats.manifest_file import ManifestFile, ManifestFormat, ManifestPart, Record
from transforms.manifest_formats.read_records import read_records

ROWS: Final = 100_000
"""Rows that are looked at, in equal parts of all files: manifests with ids 1, 2, 3, ... clash at once."""


def ambiguous_id(manifest: Manifest) -> str | None:
    """Say which id names two images, and where; None where no such id is among the first rows.

    A file that turns out to be damaged is left to the run itself.
    """
    files = [file for file in manifest.files if file.format is not ManifestFormat.TXT]
    seen: dict[str, tuple[object, str]] = {}
    for file in files:
        for record in _first_records(file, ROWS // len(files)):
            image_id, here = str(record.image_id), file.place(record.number)
            url, place = seen.setdefault(image_id, (record.image_url, here))
            if url != record.image_url:
                return (
                    f"image_id {image_id!r} names two images, in {place} and {here}: the tables hold "
                    "both; give each image an id of its own"
                )
    return None


def _first_records(file: ManifestFile, rows: int) -> Iterator[Record]:
    """Stream the records with an id among the first rows; only URL and id are read."""
    with suppress(ManifestError):
        for record in islice(read_records(ManifestPart(file), pa.schema([])), rows):
            if isinstance(record.image_id, str | int) and record.image_id != "" and not record.flaw:
                yield record
