"""Take a part of a manifest: its first rows, or a sample that is the same each time."""

import heapq
from collections.abc import Iterator
from dataclasses import replace
from hashlib import blake2b
from itertools import islice

from facebeam.transforms.manifest.inspect_manifest import Manifest
from facebeam.transforms.manifest.manifest_file import ManifestFile, ManifestPart, Record
from facebeam.transforms.manifest.read_records import read_records, split_manifest


def records_of(part: ManifestPart, manifest: Manifest) -> Iterator[Record]:
    """Stream the records of a part that the run takes.

    Raises:
        ManifestError: the file is damaged, cut short or gone.
    """
    records = islice(read_records(part, manifest.columns), part.file.most_rows)
    bound = manifest.largest_draw
    return records if bound is None else (record for record in records if draw(record) <= bound)


def first_rows(manifest: Manifest, rows: int) -> Manifest:
    """Take the first rows of all files together. This reads these rows once, to count them."""
    files: list[ManifestFile] = []
    for file in manifest.files:
        files.append(replace(file, most_rows=rows))
        rows -= sum(1 for _ in islice(read_records(ManifestPart(file), manifest.columns), rows))
    return replace(manifest, files=tuple(files))


def sample(manifest: Manifest, rows: int) -> Manifest:
    """Take rows at random: those with the smallest draws. This reads the manifest once, to find their limit.

    It holds about 100 bytes per row of the sample in memory.
    """
    parts = (part for file in manifest.files for part in split_manifest(file))
    draws = (draw(record) for part in parts for record in records_of(part, manifest))
    smallest = heapq.nsmallest(rows, draws)
    return replace(manifest, largest_draw=max(smallest, default=0))


def draw(record: Record) -> int:
    """Give a record a random number of 64 bits: a hash of its line and URL, the same in every run."""
    text = f"{record.number} {record.image_url}"
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest())
