"""Read a manifest's rows, in parts that workers read in parallel."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

import apache_beam as beam
from apache_beam.pvalue import PBegin, PCollection, TaggedOutput

from facebeam.schemas.values import DeadLetter, ManifestRow
from facebeam.transforms.http.shown_text import shown_url
from facebeam.transforms.manifest.inspect_manifest import Manifest
from facebeam.transforms.manifest.manifest_file import ManifestPart
from facebeam.transforms.manifest.manifest_row import manifest_row
from facebeam.transforms.manifest.read_records import split_manifest
from facebeam.transforms.manifest.take_part import records_of
from facebeam.transforms.steps.metrics import counting
from facebeam.transforms.steps.same_version import check_same_version, installed_version


def read_manifest(part: ManifestPart, manifest: Manifest) -> Iterator[ManifestRow | DeadLetter]:
    """Yield the rows of a part; a row that cannot be used becomes a dead letter that names file and line.

    Raises:
        ManifestError: the file is damaged, truncated or deleted.
    """
    for record in records_of(part, manifest):
        yield manifest_row(record, part.file, allow_local_files=manifest.allow_local_files)


class ManifestRows(NamedTuple):
    """A manifest's usable rows, its other rows, and the counts that show that no row was lost."""

    rows: PCollection[ManifestRow]
    dead_letters: PCollection[DeadLetter]
    row_counts: PCollection[int]
    """Number of rows in each part that was read, usable or not; their sum is that of the manifest."""


@dataclass
class ReadManifest(beam.PTransform[PBegin, ManifestRows]):
    """PBegin -> ManifestRows(rows, dead_letters, row_counts).

    Each row of the manifest comes out exactly once, as row or as dead letter, in any order. Only the
    descriptions of the parts are shuffled, never the rows.

    Args:
        manifest: the manifest that `inspect_manifest` has checked.

    Raises:
        ManifestError: a file is damaged, truncated, deleted, or changed since it was checked.
    """

    manifest: Manifest

    def display_data(self) -> dict[str, str | int]:
        """Give what engines show beside this step."""
        files = self.manifest.files
        return {"files": len(files), "first_file": shown_url(files[0].path)}

    def expand(self, pbegin: PBegin) -> ManifestRows:
        """Split the files into parts, distribute the parts to the workers, and read each part."""
        read = (
            pbegin
            | "Files" >> beam.Create(self.manifest.files)
            | "Split" >> beam.FlatMap(split_manifest)
            | "Spread" >> beam.Reshuffle()
            | "Read" >> beam.ParDo(_ReadPart(self.manifest)).with_outputs(_DEAD, _COUNTS, main=_ROWS)
        )
        return ManifestRows(read[_ROWS], read[_DEAD], read[_COUNTS])


_ROWS: Final = "rows"
_DEAD: Final = "dead_letters"
_COUNTS: Final = "row_counts"
_Dead = TaggedOutput[Literal["dead_letters"], DeadLetter]
_Count = TaggedOutput[Literal["row_counts"], int]


class _ReadPart(beam.DoFn):
    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest
        self._built_by = installed_version()

    def setup(self) -> None:
        """Check that this worker has the version of facebeam that built the pipeline."""
        check_same_version(self._built_by)

    def process(self, element: ManifestPart) -> Iterator[ManifestRow | _Dead | _Count]:
        count = 0
        with counting() as tally:
            for entry in read_manifest(element, self._manifest):
                count += 1
                if isinstance(entry, ManifestRow):
                    tally.count_row(None)
                    yield entry
                else:
                    tally.count_row(entry.failure)
                    yield _Dead(_DEAD, entry)
        yield _Count(_COUNTS, count)
