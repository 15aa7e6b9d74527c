"""ReadManifest in a pipeline; the tests in manifest cover the formats."""

import gzip
from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner
from apache_beam.testing.util import assert_that, equal_to
from apache_beam.transforms.combiners import Count

from facebeam.schemas.values import DeadLetter, ManifestRow, default_image_id
from facebeam.transforms.manifest.inspect_manifest import inspect_manifest
from facebeam.transforms.manifest.manifest_file import ManifestError, ManifestPart
from facebeam.transforms.manifest.read_records import PART_BYTES
from facebeam.transforms.steps.progress import PROGRESS
from facebeam.transforms.steps.read_manifest import ReadManifest, read_manifest
from tests.helpers.manifests import URL, write


def test_every_entry_comes_out_once(tmp_path: Path) -> None:
    """Rows and dead letters of all files and parts come out once, with their columns; the counts match."""
    large = [f"{URL}?{i}" for i in range(3)] + [f"{URL}?{'x' * 9000}"] * (PART_BYTES // 9000 + 10)
    paths = [
        write(tmp_path / "a.txt", "\n".join(large)),
        write(tmp_path / "b.csv.gz", gzip.compress(f"image_url,n\n{URL},007\nnowhere,1\n".encode())),
    ]
    manifest = inspect_manifest(map(str, paths))
    before = PROGRESS.counts
    with beam.Pipeline(runner=FnApiRunner()) as root:
        found = root | ReadManifest(manifest)
        rows = found.rows | "Shuffle" >> beam.Reshuffle()
        assert_that(
            rows,
            equal_to(
                [
                    *(ManifestRow(url, default_image_id(url), (None,)) for url in large[:3]),
                    ManifestRow(URL, default_image_id(URL), ("007",)),
                ]
            ),
        )
        places = found.dead_letters | beam.Map(_place_and_columns)
        assert_that(
            places,
            equal_to(
                [
                    *((f"{paths[0]}:{i}", (None,)) for i in range(4, len(large) + 1)),
                    (f"{paths[1]}:3", ("1",)),
                ]
            ),
            "dead letters",
        )
        assert_that(found.row_counts | beam.CombineGlobally(sum), equal_to([len(large) + 2]), "counts")
        assert_that(found.row_counts | Count.Globally(), equal_to([3]), "parts")
    assert PROGRESS.counts.rows - before.rows == len(large) + 2
    assert PROGRESS.counts.dead.total() - before.dead.total() == len(large) - 2


def _place_and_columns(letter: DeadLetter) -> tuple[str, tuple[object, ...]]:
    return letter.failure.message.partition(": ")[0], letter.row.columns


def test_broken_file_stops_the_run(tmp_path: Path) -> None:
    """A broken file ends the pipeline with ManifestError before any row moves on."""
    path = write(tmp_path / "a.txt.gz", gzip.compress(f"{URL}\n".encode() * 100_000)[:-8])
    manifest = inspect_manifest([str(path)])
    asked = tmp_path / "asked"
    root = beam.Pipeline(runner=FnApiRunner())
    rows = (root | ReadManifest(manifest)).rows
    _ = rows | beam.WithKeys(0) | beam.GroupByKey() | beam.Map(lambda _: asked.touch())
    with pytest.raises(ManifestError, match=r"a\.txt\.gz, after line \d+: cannot be read"):
        root.run()
    assert not asked.exists()


def test_rows_stream_out_of_a_part(tmp_path: Path) -> None:
    """A part is not held as a list: its first row comes out before its broken end is reached."""
    path = write(tmp_path / "a.txt.gz", gzip.compress(f"{URL}\n".encode() * 100_000)[:-8])
    manifest = inspect_manifest([str(path)])
    assert next(read_manifest(ManifestPart(manifest.files[0]), manifest)) == ManifestRow(
        URL, default_image_id(URL)
    )


def test_local_paths_need_permission(tmp_path: Path) -> None:
    """A local path is a row with `allow_local_files`, and a dead letter without it."""
    path = str(write(tmp_path / "a.txt", "shots/a b.jpg"))
    allowed, refused = inspect_manifest([path], allow_local_files=True), inspect_manifest([path])
    part = ManifestPart(allowed.files[0])
    assert [type(entry) for entry in read_manifest(part, allowed)] == [ManifestRow]
    assert [type(entry) for entry in read_manifest(part, refused)] == [DeadLetter]
