"""Each row of any kind ends in exactly one place, in whatever way the engine carries out the run."""

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import apache_beam as beam
import pandas as pd
import pytest
from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner

from facebeam.pipelines.annotate_manifest import Run, build
from facebeam.schemas.errors import ErrorCode, Fate
from facebeam.schemas.layout import Layout
from facebeam.schemas.values import AskedBy, FoundFaces, ImageRequest
from facebeam.transforms.images.fetch_image import ImageFetcher
from facebeam.transforms.journal.journal import Journal
from facebeam.transforms.manifest.inspect_manifest import inspect_manifest
from facebeam.transforms.sources.face_source import FaceSource, OpenSource
from facebeam.transforms.sources.fake_source import FakeSource
from facebeam.transforms.sources.local_source import LocalSource
from facebeam.transforms.steps.questions import Question
from tests.helpers.console import TABLES, ends, rehearse, run_json, table

REJECTED = [code for code in ErrorCode if code.fate() is not Fate.RETRY]
"""Codes that are not retried; retries of the other codes would take real pauses."""


@dataclass(frozen=True)
class MixedSource(FaceSource):
    """A source that gives files to the local model, and everything else to the fake source."""

    local: LocalSource = field(default_factory=lambda: LocalSource(ImageFetcher(allow_local_files=True)))

    name = "mixed"
    identity = "mixed 1"

    @contextmanager
    def open(self) -> Iterator[OpenSource]:
        """Open both sources."""
        with self.local.open() as by_model, FakeSource().open() as fake:
            yield OpenMixed(by_model, fake)


@dataclass(frozen=True)
class OpenMixed(OpenSource):
    """An open MixedSource."""

    by_model: OpenSource
    fake: OpenSource

    def attempt(self, request: ImageRequest) -> FoundFaces:
        """Ask one of the two."""
        source = self.by_model if request.image_url.startswith("/") else self.fake
        return source.attempt(request)


def draw_rows(random_: random.Random, photos: Path) -> list[str]:
    """Draw csv rows `image_id,image_url`: photographs, made-up images, duplicates, failures, bad rows."""
    kinds: Sequence[Callable[[], str]] = (
        lambda: str(photos / random_.choice(["astronaut.png", "coffee.png", "ready", "none.png"])),
        lambda: f"https://example.com/{random_.randrange(40)}.jpg",
        lambda: f"https://example.com/fail-{random_.choice(REJECTED)}/{random_.randrange(3)}.jpg",
        lambda: random_.choice(["", "no url\x07", "ftp://example.com/a.jpg", "x" * 9000, "https:///a.jpg"]),
    )
    urls = (random_.choices(kinds, weights=[1, 12, 6, 4])[0]() for _ in range(random_.randrange(120)))
    return [f"row-{number},{url}" for number, url in enumerate(urls)]


@pytest.mark.parametrize("seed", range(5))
def test_every_row_ends_in_exactly_one_place(tmp_path: Path, photos: Path, seed: int) -> None:
    """Each id is once in images or dead letters; each face is one row; equal URLs have equal face counts."""
    random_ = random.Random(seed)
    rows = draw_rows(random_, photos)
    (tmp_path / "photos.csv").write_text("\n".join(["image_id,image_url", *rows]))
    manifest = inspect_manifest([str(tmp_path / "photos.csv")], allow_local_files=True)
    layout = Layout(str(tmp_path / "out"), "one")
    pipeline = beam.Pipeline(FnApiRunner())
    shards, mode = random_.choice([1, 3]), random_.choice([0, 1])
    build(
        pipeline,
        Run(
            layout=layout,
            manifest=manifest,
            source=MixedSource(),
            journal=Journal(layout.journal),
            question=Question(mode=mode),
            shards=shards,
            asked_by=AskedBy("one", "first"),
        ),
    )
    pipeline.run().wait_until_finish()
    images, letters, faces = (table(tmp_path / "out", name) for name in ("images", "dead_letters", "faces"))
    assert sorted([*images["image_id"], *letters["image_id"]]) == sorted(row.split(",")[0] for row in rows)
    assert dict(Counter(faces["image_id"])) == {
        image_id: count
        for image_id, count in zip(images["image_id"], images["face_count"], strict=True)
        if count
    }
    by_url = images.groupby("image_url")["face_count"]
    assert (by_url.min() == by_url.max()).all()
    assert set(images["outcome"][images["face_count"] == 0]) <= {"no_face"}
    counts = run_json(tmp_path / "out", "one")["counts"]
    assert counts["rows_read"] == len(rows)
    assert counts["dead"] == dict(Counter(letters["error_code"].astype(str)))


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a manifest of made-up images, duplicates and failures with each code that is not retried."""
    path = tmp_path_factory.mktemp("ways") / "photos.csv"
    urls = [f"https://example.com/{number % 50}.jpg" for number in range(120)]
    failing = [f"https://example.com/fail-{code}/a.jpg" for code in REJECTED]
    rows = [f"row-{number:03},{url}" for number, url in enumerate([*urls, *failing, "no url"])]
    path.write_text("\n".join(["image_id,image_url", *rows]))
    return path


def tables(manifest: Path, output: Path, *flags: str) -> dict[str, pd.DataFrame]:
    """Run, and read the columns that do not depend on the clock or the journal."""
    finished = rehearse(manifest, output, "--run-id", "one", *flags)
    assert finished.returncode == 0, finished.stderr
    clock = ["latency_ms", "answered_at", "first_attempt_at", "last_attempt_at"]
    journal = ["from_journal", "attempts"]  # a repeated bundle takes its answers from there
    read = {name: table(output, name).drop(columns=clock + journal, errors="ignore") for name in TABLES}
    keys = {name: ["image_id", *(["face_index"] if name == "faces" else [])] for name in TABLES}
    return {name: frame.sort_values(keys[name], ignore_index=True) for name, frame in read.items()}


@pytest.fixture(scope="module")
def plain(manifest: Path) -> dict[str, pd.DataFrame]:
    """Run with the engine's default flags."""
    return tables(manifest, manifest.with_name("plain"))


@pytest.mark.parametrize(
    "flags",
    [
        ["--direct_runner_bundle_repeat=1"],
        ["--direct_running_mode=multi_processing", "--direct_num_workers=2"],
    ],
)
def test_the_way_a_run_is_carried_out_changes_no_row(
    manifest: Path, plain: dict[str, pd.DataFrame], tmp_path: Path, flags: list[str]
) -> None:
    """The tables are the same if the engine repeats every bundle, and if two processes share the bundles."""
    found = tables(manifest, tmp_path / "out", *flags)
    for name in TABLES:
        assert len(plain[name]) > 0
        pd.testing.assert_frame_equal(found[name], plain[name], check_categorical=False)


def test_every_error_code_has_its_folder(tmp_path: Path) -> None:
    """A failure of each error code is stored under that code, and a transient one after its retries."""
    manifest = tmp_path / "photos.txt"
    urls = {f"https://example.com/fail-{code}/a.jpg": str(code) for code in ErrorCode}
    manifest.write_text("\n".join(urls))
    assert rehearse(manifest, tmp_path / "out").returncode == 0
    assert ends(tmp_path / "out") == urls
    letters = table(tmp_path / "out", "dead_letters")
    expected = {
        code: next((tries for tries in range(1, 4) if code.fate(tries) is not Fate.RETRY), 4)
        for code in ErrorCode
    }
    assert dict(zip(letters["error_code"].astype(str), letters["attempts"], strict=True)) == expected
