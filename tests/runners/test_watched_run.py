"""What an engine shows of a run: metrics that equal the tables, and the settings of each step."""

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.metrics.metric import MetricResults, MetricsFilter
from apache_beam.portability.api import beam_runner_api_pb2 as protos
from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner

from facebeam.pipelines.annotate_manifest import Run, build
from facebeam.schemas.counts import Counts, total
from facebeam.schemas.layout import Layout
from facebeam.transforms.api.api_source import ApiSource
from facebeam.transforms.api.call_limits import CallLimits
from facebeam.transforms.api.client import ApiClient
from facebeam.transforms.api.token import TokenReference
from facebeam.transforms.images.fetch_image import ImageFetcher
from facebeam.transforms.journal.journal import Journal
from facebeam.transforms.manifest.inspect_manifest import inspect_manifest
from facebeam.transforms.sources.face_source import FaceSource
from facebeam.transforms.sources.fake_source import FakeSource
from facebeam.transforms.sources.local_source import LocalSource
from facebeam.transforms.steps.questions import Question
from tests.helpers.console import table, write_urls

URLS = [
    *(f"https://example.com/{number % 60}.jpg" for number in range(150)),
    "https://example.com/fail-not_found/a.jpg",
    "https://example.com/fail-not_found/a.jpg",
    "no url",
]
SIX = datetime(2026, 11, 27, 6, tzinfo=UTC)


def run_of(folder: Path, run_id: str, source: FaceSource, shards: int = 1) -> Run:
    """Describe a run over the URLs, with the journal in the output."""
    manifest = inspect_manifest([str(write_urls(folder / "urls.txt", URLS))])
    layout = Layout(str(folder / "out"), run_id)
    return Run(
        layout=layout, manifest=manifest, source=source, journal=Journal(layout.journal), shards=shards
    )


def metrics_of(run: Run) -> MetricResults:
    """Execute a run; give the metrics that Beam has of it."""
    pipeline = beam.Pipeline(FnApiRunner())
    build(pipeline, run)
    result = pipeline.run()
    result.wait_until_finish()
    metrics: MetricResults = result.metrics()
    return metrics


def counters(metrics: MetricResults) -> Mapping[str, int]:
    """Add up the run's own counters over all steps."""
    added = Counter[str]()
    for each in metrics.query(MetricsFilter().with_namespace("facebeam"))["counters"]:
        added[each.key.metric.name] += each.committed
    return added


@pytest.mark.parametrize("shards", [1, 3])
def test_the_metrics_are_those_of_the_tables(tmp_path: Path, shards: int) -> None:
    """The counters equal the numbers of rows in the tables; calls and latencies are per distinct image."""
    metrics = metrics_of(run_of(tmp_path, "one", FakeSource(), shards))
    images, faces, letters = (table(tmp_path / "out", name) for name in ("images", "faces", "dead_letters"))
    outcomes = Counter(images["outcome"].astype(str))
    assert counters(metrics) == {
        "rows": len(URLS),
        "ok": outcomes["ok"],
        "no_face": outcomes["no_face"],
        "faces": len(faces),
        "calls": 61,
        "called_rows": len(URLS) - 1,
        **{f"dead_{code}": rows for code, rows in Counter(letters["error_code"].astype(str)).items()},
    }
    (latency,) = metrics.query(MetricsFilter().with_name("latency_ms"))["distributions"]
    assert latency.committed.count == 60


def test_answers_of_the_journal_are_no_calls(tmp_path: Path) -> None:
    """A second run counts the images that the journal answers; it calls only for the one that failed."""
    metrics_of(run_of(tmp_path, "one", FakeSource()))
    counted = counters(metrics_of(run_of(tmp_path, "two", FakeSource())))
    assert (counted["from_journal"], counted["calls"], counted["rows"]) == (60, 1, len(URLS))


def test_counts_survive_the_way_through_an_engine() -> None:
    """Counts become metrics and counts again; those of two bundles add up; other metrics are ignored."""
    one = Counts(rows=3, ok=1, faces=2, dead=Counter({"timeout": 2}), latency_sum_ms=30, latencies=2)
    two = Counts.of_metrics({**one.metrics(), "latency_ms_MEAN": 7}, latency_sum_ms=30, latencies=2)
    assert total([one, two]) == Counts(
        rows=6, ok=2, faces=4, dead=Counter({"timeout": 4}), latency_sum_ms=60, latencies=4
    )
    assert (one == two, one.latency_ms, bool(Counts())) == (True, 15.0, False)


def shown(run: Run) -> Mapping[str, Mapping[str, object]]:
    """Give what the submitted pipeline shows: step -> the names and values of its display data."""
    pipeline = beam.Pipeline()
    build(pipeline, run)
    found: dict[str, dict[str, object]] = {}
    for step in pipeline.to_runner_api().components.transforms.values():
        for data in step.display_data:
            payload = protos.LabelledPayload.FromString(data.payload)
            found.setdefault(step.unique_name, {})[payload.label] = getattr(
                payload, payload.WhichOneof("value")
            )
    return found


def test_each_step_shows_its_settings_and_no_secret(tmp_path: Path) -> None:
    """Every step of ours has display data. It has no token, password or query."""
    client = ApiClient("https://ann:pass-word@api.example.com/", TokenReference(file="/run/tok-en"), "7", 8)
    limits = CallLimits(calls=500, stop_at=SIX)
    run = run_of(tmp_path, "one", ApiSource(client, 20.0, limits), shards=2)
    journal = Journal("s3://ann:pass-word@bucket/journal?sig=pass-word", 3600.0)
    asking = {"question": Question(mode=1), "journal": journal, "ask_again": ("timeout", "no_face")}
    found = shown(Run(**{**vars(run), **asking}))
    assert found["AnnotateImages"] == {
        "source": "api https://api.example.com 7",
        "rate_per_s": 20.0,
        "budget_calls": 500,
        "stop_at": "2026-11-27T06:00:00+00:00",
        "mode": 1,
        "need_rotate_detection": 0,
        "shards": 2,
        "journal": "s3://bucket/journal",
        "max_age_s": 3600.0,
        "ask_again": "timeout, no_face",
        "min_score": 0.0,
        "attempts": 4,
    }
    leaf = next(each for name, each in found.items() if "_AnnotateShard" in name)
    assert leaf.items() >= found["AnnotateImages"].items()
    assert found["ReadManifest"] == {"files": 1, "first_file": str(tmp_path / "urls.txt")}
    assert found["WriteBadRows"] == {"table": "dead_letters", "run": "one"}
    assert found["CommitRun"] == {"run": "one", "output": str(tmp_path / "out")}
    assert not [text for text in ("pass-word", "tok-en") if text in str(found)]


def test_the_local_model_shows_its_end_time(tmp_path: Path) -> None:
    """The step shows how many models a shard has, and when the run ends."""
    source = LocalSource(ImageFetcher(), workers=3, stop_at=SIX)
    step = shown(run_of(tmp_path, "one", source))["AnnotateImages"]
    assert (step["models"], step["stop_at"]) == (3, "2026-11-27T06:00:00+00:00")
