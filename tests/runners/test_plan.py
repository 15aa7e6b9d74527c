"""`facebeam plan` through the command line: it predicts what the run then sends."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.helpers.api_console import UNPACED, annotate_by_api, images, with_token
from tests.helpers.console import run_json, write_urls
from tests.helpers.paid_service import FaultyServer

PRICE = 0.004
REJECTED = "https://images.example.com/fault-bad_request/a.jpg"


def planned(base_url: str, manifest: Path, output: Path, *flags: object) -> Mapping[str, str]:
    """Plan without a token, because a plan sends nothing; give the rows of the printed table."""
    target = ("--base-url", base_url, "--manifest", manifest, "--output", output)
    finished = with_token("plan", *target, "--price", PRICE, *flags, token=None)
    assert (finished.returncode, finished.stderr) == (0, "")
    return dict(re.findall(r"^│ +(.+?) +│ +(.+?) +│$", finished.stdout, re.MULTILINE))


@dataclass(frozen=True)
class Plans:
    """A run over half of a manifest, plans for the whole manifest, and the run that they predict."""

    first: Mapping[str, str]
    second: Mapping[str, str]
    again: Mapping[str, str]
    sent_by_plans: int
    sent: int
    calls: Mapping[str, int]
    after: Mapping[str, str]


@pytest.fixture(scope="module")
def plans(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plans]:
    """Plan a manifest, run half of it, plan again, run it, plan again.

    The manifest has 75 rows and 31 images, with duplicates and bad rows among them.
    """
    folder = tmp_path_factory.mktemp("plan")
    output = folder / "out"
    half = write_urls(folder / "half.txt", [*images(15), REJECTED])
    whole = write_urls(folder / "whole.txt", [*images(30) * 2, REJECTED, *["no url"] * 14])
    with FaultyServer() as server:
        first = planned(server.base_url, whole, output)
        assert not output.exists()
        annotate_by_api(server.base_url, half, output, *UNPACED)
        before = server.calls
        second = planned(server.base_url, whole, output, "--rate", 2)
        again = planned(server.base_url, whole, output, "--ask-again", "bad_request", *UNPACED)
        sent_by_plans = server.calls - before
        annotate_by_api(server.base_url, whole, output, "--run-id", "one", "--price", PRICE, *UNPACED)
        sent = server.calls - before
        after = planned(server.base_url, whole, output)
        calls = run_json(output, "one")["calls"]
        yield Plans(first, second, again, sent_by_plans, sent, calls, after)


def test_a_plan_counts_rows_images_and_calls(plans: Plans) -> None:
    """Before the first run, the plan's table has exactly these rows."""
    assert plans.first == {
        "rows": "75",
        "without a valid URL": "14",
        "duplicates": "30",
        "images": "31",
        "answered already": "0",
        "calls to send": "31",
        "credits": "0.1240",
        "time at least": "0:00:03",
    }


def test_a_plan_sends_nothing(plans: Plans) -> None:
    """The plans send no call."""
    assert plans.sent_by_plans == 0


def test_a_plan_foretells_the_run(plans: Plans) -> None:
    """With half of the images answered, the plan predicts calls, stored answers and credits of the run."""
    assert plans.second["calls to send"] == str(plans.sent) == str(plans.calls["sent"]) == "15"
    assert plans.second["answered already"] == str(plans.calls["from_journal"]) == "16"
    assert plans.second["images"] == str(plans.calls["images"])
    assert plans.second["credits"] == f"{plans.sent * PRICE:.4f}"
    assert plans.second["time at least"] == "0:00:08"


def test_a_plan_counts_what_is_asked_again(plans: Plans) -> None:
    """The plan counts a failure of --ask-again among the calls, and without a rate it predicts no time."""
    assert (plans.again["calls to send"], plans.again["answered already"]) == ("16", "15")
    assert plans.again["time at least"] == "unknown without --rate"


def test_when_all_is_answered_nothing_is_left(plans: Plans) -> None:
    """After the run, the plan predicts no calls and no credits."""
    assert (plans.after["calls to send"], plans.after["answered already"]) == ("0", "31")
    assert plans.after["credits"] == "0.0000"


def test_a_plan_of_a_damaged_manifest_is_refused(tmp_path: Path) -> None:
    """A plan of a manifest without a URL column exits with 2 and says so, as the run does."""
    manifest = tmp_path / "photos.csv"
    manifest.write_text("picture\na\n")
    finished = with_token("plan", "--manifest", manifest, "--output", tmp_path / "out")
    assert (finished.returncode, finished.stdout) == (2, "")
    assert "has no column 'image_url'" in finished.stderr


def test_a_plan_knows_what_is_never_sent_and_what_the_budget_allows(tmp_path: Path) -> None:
    """The plan predicts the run's calls: it excludes private URLs and stops at the budget."""
    private = ["http://10.0.0.1/a.jpg", "https://user:secret@images.example.com/a.jpg"]
    manifest = write_urls(tmp_path / "urls.txt", [*images(9), *private])
    with FaultyServer() as server:
        whole = planned(server.base_url, manifest, tmp_path / "out")
        allowed = planned(server.base_url, manifest, tmp_path / "out", "--budget-calls", 5)
        annotate_by_api(server.base_url, manifest, tmp_path / "out", *UNPACED, "--budget-calls", 5)
        assert server.calls == int(allowed["calls to send"]) == 5
        left = planned(server.base_url, manifest, tmp_path / "out")
        annotate_by_api(server.base_url, manifest, tmp_path / "out", *UNPACED)
        assert server.calls == 5 + int(left["calls to send"]) == int(whole["calls to send"]) == 9
    assert (whole["not sent: private URLs"], allowed["beyond budget or time"]) == ("2", "4")
    assert allowed["credits"] == f"{5 * PRICE:.4f}"


def test_a_plan_for_machines_is_an_object_on_a_line(tmp_path: Path) -> None:
    """With --log-format json, the plan writes the table's numbers, unrounded, as one object to stderr."""
    manifest = write_urls(tmp_path / "urls.txt", [*images(9), *images(2), "http://10.0.0.1/a.jpg", "no url"])
    flags = ("--rate", 2, "--price", PRICE, "--budget-calls", 8, "--log-format", "json")
    finished = with_token("plan", "--manifest", manifest, "--output", tmp_path / "out", *flags)
    assert (finished.returncode, finished.stdout) == (0, "")
    plan = json.loads(finished.stderr)
    counts = {"rows": 13, "invalid_rows": 1, "duplicates": 2, "images": 10, "from_journal": 0, "not_sent": 1}
    assert {name: plan[name] for name in counts} == counts
    assert (plan["calls"], plan["credits"], plan["seconds"]) == (8, 8 * PRICE, 4.0)


def test_a_plan_leaves_everything_as_it_is(tmp_path: Path) -> None:
    """A plan changes no file; only the run merges the journal's small segments and removes a damaged one."""
    manifest, output = write_urls(tmp_path / "urls.txt", images(1)), tmp_path / "out"
    with FaultyServer() as server:
        annotate_by_api(server.base_url, manifest, output, *UNPACED)
        (segment,) = (output / "responses").glob("bucket=*/*.parquet")
        for number in range(12):
            segment.with_name(f"{number}.parquet").write_bytes(segment.read_bytes())
        segment.write_bytes(segment.read_bytes()[:-9])
        before = {path: path.stat().st_mtime_ns for path in output.rglob("*")}
        flags = ("--manifest", manifest, "--output", output, "--base-url", server.base_url)
        warning, plan = with_token("plan", *flags, "--log-format", "json").stderr.splitlines()
        assert "is damaged and ignored" in warning
        assert json.loads(plan)["from_journal"] == 1
        assert {path: path.stat().st_mtime_ns for path in output.rglob("*")} == before
        annotate_by_api(server.base_url, manifest, output, *UNPACED, "--run-id", "two")
        assert server.calls == 1
    assert len(list(segment.parent.glob("*.parquet"))) == 1


def test_a_plan_keeps_to_the_time(tmp_path: Path) -> None:
    """The plan predicts only as many calls as the rate allows until --max-duration ends."""
    manifest = write_urls(tmp_path / "urls.txt", images(30))
    flags = ("--rate", 2, "--max-duration", "5s", "--log-format", "json")
    finished = with_token("plan", "--manifest", manifest, "--output", tmp_path / "out", *flags)
    assert 10 <= json.loads(finished.stderr)["calls"] <= 11


DATAFLOW = (
    *("--runner", "dataflow", "--project", "my-project", "--region", "europe-west1"),
    *("--temp-location", "gs://bucket/temp", "--image", "gcr.io/my-project/facebeam:0.1.0"),
)


def planned_on_dataflow(folder: Path, number: int, *flags: object) -> tuple[Mapping[str, object], str]:
    """Plan a run of this number of images on Dataflow; give the plan's fields, and the messages before it."""
    target = ("--manifest", write_urls(folder / "urls.txt", images(number)), "--output", folder / "out")
    finished = with_token("plan", *target, *DATAFLOW, *flags, "--log-format", "json", token=None)
    assert finished.returncode == 0, finished.stderr
    *before, plan = finished.stderr.splitlines()
    return json.loads(plan), "\n".join(before)


@pytest.mark.parametrize(
    ("limit", "most", "shards", "workers", "runs", "calls"),
    [
        ("1h", (), 128, 1, 1, 2000),  # 90 s of CPU: one worker has the time
        ("10s", (), 128, 5, 1, 2000),  # 128 shards of 0.7 s: 14 in turn, on 10 cores
        ("10s", ("--max-num-workers", 2), 128, 2, 3, 888),  # 32 in turn: 22.5 s
    ],
)
def test_a_plan_for_dataflow_proposes_workers_that_end_in_time(  # noqa: PLR0913, PLR0917 - one per number
    tmp_path: Path, limit: str, most: tuple[object, ...], shards: int, workers: int, runs: int, calls: int
) -> None:
    """For the local model the workers follow from CPU time and --max-duration; a given number is kept."""
    plan, said = planned_on_dataflow(tmp_path, 2000, "--source", "local", "--max-duration", limit, *most)
    assert (plan["shards"], plan["workers"], plan["runs"], plan["calls"]) == (shards, workers, runs, calls)
    assert plan["flags"] == f"--shards {shards} --max-num-workers {workers}"
    assert said == ""


def test_a_plan_for_dataflow_ends_before_dataflow_ends_the_job(tmp_path: Path) -> None:
    """Without --max-duration, a plan has the calls of nine days, on one worker; a longer time is told."""
    plan, said = planned_on_dataflow(tmp_path, 1000, "--rate", 0.001)
    assert (plan["calls"], plan["runs"], plan["shards"], plan["workers"], said) == (778, 2, 1, 1, "")
    assert plan["machine_hours"] == pytest.approx(1000 / 0.001 / 3600)
    _, said = planned_on_dataflow(tmp_path, 1, "--source", "local", "--max-duration", "12d")
    assert "Dataflow ends a batch job after 10 days" in said


def test_a_plan_for_dataflow_shows_its_size_in_the_table(tmp_path: Path) -> None:
    """The table has a row for each number, and the flags to type."""
    manifest = write_urls(tmp_path / "urls.txt", images(100))
    finished = with_token("plan", "--manifest", manifest, "--output", tmp_path / "out", *DATAFLOW, token=None)
    shown = dict(re.findall(r"^│ +(.+?) +│ +(.+?) +│$", finished.stdout, re.MULTILINE))
    names = ("time at least", "runs for all images", "shards", "workers", "machine hours", "flags")
    assert [shown[name] for name in names] == [
        *("0:00:10", "1", "1", "1", "0.0"),
        "--shards 1 --max-num-workers 1",
    ]


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--rat", 20), "there is no flag --rat: did you mean --rate?"),
        (("--shards", 20, "--rate", 5), "20 shards cannot share 5 calls per second"),
    ],
)
def test_what_a_run_would_refuse_has_no_plan(tmp_path: Path, flags: tuple[object, ...], said: str) -> None:
    """A plan with flags that the run refuses exits with 2, says what to do and prints no table."""
    manifest = write_urls(tmp_path / "urls.txt", images(3))
    finished = with_token("plan", "--manifest", manifest, "--output", tmp_path / "out", *flags)
    assert (finished.returncode, finished.stdout) == (2, "")
    assert said in finished.stderr
