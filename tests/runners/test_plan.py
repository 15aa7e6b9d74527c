"""`facebeam plan` through the command line: what it foretells is what the run then sends."""

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
    """Plan without a token, which nothing needs that sends nothing; give the table's rows."""
    target = ("--base-url", base_url, "--manifest", manifest, "--output", output)
    finished = with_token("plan", *target, "--price", PRICE, *flags, token=None)
    assert (finished.returncode, finished.stderr) == (0, "")
    return dict(re.findall(r"^│ +(.+?) +│ +(.+?) +│$", finished.stdout, re.MULTILINE))


@dataclass(frozen=True)
class Plans:
    """A run over half of a manifest, plans for the whole one, and the run that they foretell."""

    first: Mapping[str, str]
    second: Mapping[str, str]
    again: Mapping[str, str]
    sent_by_plans: int
    sent: int
    calls: Mapping[str, int]
    after: Mapping[str, str]


@pytest.fixture(scope="module")
def plans(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plans]:
    """Plan, answer half of it, plan, run, plan: 75 rows, 31 images, duplicates and bad rows among them."""
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
    """Expect every row of the table before anything was answered."""
    assert plans.first == {
        "rows": "75",
        "no image in them": "14",
        "duplicates": "30",
        "images": "31",
        "answered already": "0",
        "calls to send": "31",
        "credits": "0.1240",
        "time at least": "0:00:03",
    }


def test_a_plan_sends_nothing(plans: Plans) -> None:
    """Expect no call by any plan."""
    assert plans.sent_by_plans == 0


def test_a_plan_foretells_the_run(plans: Plans) -> None:
    """Expect calls, stored answers and credits of the plan to be those of the run, with half answered."""
    assert plans.second["calls to send"] == str(plans.sent) == str(plans.calls["sent"]) == "15"
    assert plans.second["answered already"] == str(plans.calls["from_journal"]) == "16"
    assert plans.second["images"] == str(plans.calls["images"])
    assert plans.second["credits"] == f"{plans.sent * PRICE:.4f}"
    assert plans.second["time at least"] == "0:00:08"


def test_a_plan_counts_what_is_asked_again(plans: Plans) -> None:
    """Expect the stored failure among the calls, and no time where no rate tells it."""
    assert (plans.again["calls to send"], plans.again["answered already"]) == ("16", "15")
    assert plans.again["time at least"] == "unknown without --rate"


def test_when_all_is_answered_nothing_is_left(plans: Plans) -> None:
    """Expect no calls and no credits after the run."""
    assert (plans.after["calls to send"], plans.after["answered already"]) == ("0", "31")
    assert plans.after["credits"] == "0.0000"


def test_a_plan_of_a_damaged_manifest_is_refused(tmp_path: Path) -> None:
    """Expect exit 2 and the file's name, as the run would tell it."""
    manifest = tmp_path / "photos.csv"
    manifest.write_text("picture\na\n")
    finished = with_token("plan", "--manifest", manifest, "--output", tmp_path / "out")
    assert (finished.returncode, finished.stdout) == (2, "")
    assert "has no column 'image_url'" in finished.stderr


def test_a_plan_knows_what_is_never_sent_and_what_the_budget_allows(tmp_path: Path) -> None:
    """Expect the calls of the run: without private URLs, as many as may be sent."""
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
    """Expect the figures of the table, unrounded, on stderr as all of the log is."""
    manifest = write_urls(tmp_path / "urls.txt", [*images(9), *images(2), "http://10.0.0.1/a.jpg", "no url"])
    flags = ("--rate", 2, "--price", PRICE, "--budget-calls", 8, "--log-format", "json")
    finished = with_token("plan", "--manifest", manifest, "--output", tmp_path / "out", *flags)
    assert (finished.returncode, finished.stdout) == (0, "")
    plan = json.loads(finished.stderr)
    counts = {"rows": 13, "invalid_rows": 1, "duplicates": 2, "images": 10, "from_journal": 0, "not_sent": 1}
    assert {name: plan[name] for name in counts} == counts
    assert (plan["calls"], plan["credits"], plan["seconds"]) == (8, 8 * PRICE, 4.0)


def test_a_plan_leaves_everything_as_it_is(tmp_path: Path) -> None:
    """Expect a journal of many small segments, and a damaged one, to be tidied up by the run only."""
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
        assert "is damaged and left out" in warning
        assert json.loads(plan)["from_journal"] == 1
        assert {path: path.stat().st_mtime_ns for path in output.rglob("*")} == before
        annotate_by_api(server.base_url, manifest, output, *UNPACED, "--run-id", "two")
        assert server.calls == 1
    assert len(list(segment.parent.glob("*.parquet"))) == 1


def test_a_plan_keeps_to_the_time(tmp_path: Path) -> None:
    """Expect no more calls than go by the rate until sending ends."""
    manifest = write_urls(tmp_path / "urls.txt", images(30))
    flags = ("--rate", 2, "--max-duration", "5s", "--log-format", "json")
    finished = with_token("plan", "--manifest", manifest, "--output", tmp_path / "out", *flags)
    assert 10 <= json.loads(finished.stderr)["calls"] <= 11


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--rat", 20), "there is no flag --rat: did you mean --rate?"),
        (("--shards", 20, "--rate", 5), "20 shards cannot share 5 calls a second"),
    ],
)
def test_what_a_run_would_refuse_has_no_plan(tmp_path: Path, flags: tuple[object, ...], said: str) -> None:
    """Expect exit 2 with the cure, no table of another run's figures."""
    manifest = write_urls(tmp_path / "urls.txt", images(3))
    finished = with_token("plan", "--manifest", manifest, "--output", tmp_path / "out", *flags)
    assert (finished.returncode, finished.stdout) == (2, "")
    assert said in finished.stderr
