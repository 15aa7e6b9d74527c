"""Runs by the web API through the command line: every fault in one manifest, and what later runs ask for."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Event

import pandas as pd
import pytest

from facebeam.schemas.errors import ErrorCode, Fate
from tests.helpers.api_console import UNPACED, annotate_by_api, images
from tests.helpers.console import Finished, run_json, table
from tests.helpers.paid_service import FaultyServer, by_image_url
from tests.helpers.paid_service_answers import answers
from tests.helpers.paid_service_faults import ANSWERS
from tests.helpers.scripted_server import Exchange
from tests.transforms.api.test_client import REJECTED

ANSWERED = sorted(ANSWERS.keys() - {"chunked"})
"""All but `chunked`: the server closes its connection after the answer, so that the next call may fail."""
FACES = {"zero_faces": 0, "null_faces": 0, "no_face_in_photo": 0, "ten_faces": 10, "two_hundred_faces": 200}
RETRIED = {
    "status_503": (ErrorCode.SERVER_ERROR, 4),
    "busy": (ErrorCode.BUSY, 4),
    "fin_before": (ErrorCode.CONNECTION_FAILED, 4),
    "fin_inside": (ErrorCode.RESPONSE_TRUNCATED, 4),
    "timeout": (ErrorCode.TIMEOUT, 4),
    "upstream_download": (ErrorCode.UPSTREAM_DOWNLOAD_FAILED, 3),
    "upstream_detection": (ErrorCode.UPSTREAM_DETECTION_FAILED, 2),
}
"""Fault -> code and attempts. These are 18 retries in all; the first twenty of a run are always allowed."""
ATTEMPTED = {name: (code, 1) for code, names in REJECTED.items() for name in names.split()} | RETRIED
TRANSIENT = {name for name, (code, attempts) in RETRIED.items() if code.fate(attempts) is Fate.RETRY}
AGAIN = TRANSIENT | {name for name, (code, _) in ATTEMPTED.items() if code.about.depends_on_environment}
COPIES, ORIGINALS = 10, 30
PRIVATE, NO_URL = "http://127.0.0.1/a.jpg", "no url"
SENT = ORIGINALS + len(ANSWERED) + sum(attempts for _, attempts in ATTEMPTED.values())


def url_of(fault: str) -> str:
    """Name an image that meets the fault."""
    return f"https://images.example.com/fault-{fault}/a.jpg?signature=s3cret"


URLS = [*images(ORIGINALS) * COPIES, *map(url_of, [*ANSWERED, *ATTEMPTED]), PRIVATE, NO_URL]


class Service:
    """A service that sends every fault until it recovers."""

    def __init__(self) -> None:
        self.recovered = Event()
        self.server = FaultyServer(self._answer)

    def asked_for(self) -> dict[str, int]:
        """Give the number of calls per URL since the last call of this method."""
        asked = dict(self.server.calls_by_url)
        self.server.calls_by_url.clear()
        return asked

    def _answer(self, exchange: Exchange) -> None:
        (answers() if self.recovered.is_set() else by_image_url(answers()))(exchange)


@dataclass(frozen=True)
class Runs:
    """Three runs, one after another: among faults, after the service recovered, and with --ask-again."""

    output: Path
    finished: dict[str, Finished]
    asked: dict[str, dict[str, int]]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    """Carry out the three runs over one manifest."""
    folder, service = tmp_path_factory.mktemp("api"), Service()
    rows = [f"row-{number:03},{url}" for number, url in enumerate(URLS)]
    (folder / "photos.csv").write_text("\n".join(["image_id,image_url", *rows]))
    done = Runs(folder / "out", {}, {})
    flags = {"first": (), "second": (), "third": ("--ask-again", "invalid_response,no_face")}
    with service.server as server:
        for run_id, more in flags.items():
            common = ("--run-id", run_id, *UNPACED, "--max-failure-share", 0.05, *more)
            done.finished[run_id] = annotate_by_api(
                server.base_url, folder / "photos.csv", done.output, *common
            )
            done.asked[run_id] = service.asked_for()
            service.recovered.set()
        yield done


def letters_by_fault(runs: Runs, run_id: str = "first") -> pd.DataFrame:
    """Read the dead letters of images that met a fault, indexed by the fault."""
    letters = table(runs.output, "dead_letters", run_id)
    faults = letters["image_url"].str.extract(r"/fault-(\w+)/", expand=False)
    return letters[faults.notna()].set_index(faults[faults.notna()])


def test_every_row_ends_in_one_place(runs: Runs) -> None:
    """Each run has each row's id exactly once in its tables, whatever the service sent."""
    for run_id in runs.finished:
        ids = [*table(runs.output, "images", run_id)["image_id"]]
        ids += table(runs.output, "dead_letters", run_id)["image_id"].tolist()
        assert sorted(ids) == [f"row-{number:03}" for number in range(len(URLS))]


def test_odd_answers_have_their_faces(runs: Runs) -> None:
    """An odd answer gives as many faces as the service sent, in one attempt; answers keep their trace id."""
    found = table(runs.output, "images", "first").set_index("image_url")
    for name in ANSWERED:
        assert found.loc[url_of(name), "face_count"] == FACES.get(name, 1), name
    assert set(found["attempts"]) == {1}
    assert set(found["source"]) == {"api"}
    assert not found["from_journal"].any()
    assert set(found.loc[images(ORIGINALS), "trace_id"]) == {"trace-1"}
    assert (found["latency_ms"] > 0).all()


def test_an_answer_from_the_journal_has_no_latency(runs: Runs) -> None:
    """The second run's latencies, and their percentiles, are those of its own calls only."""
    found = table(runs.output, "images", "second")
    assert found["from_journal"].any()
    assert (found["latency_ms"].isna() == found["from_journal"]).all()
    slowest_ms = found["latency_ms"].max()
    assert 0 < run_json(runs.output, "second")["latency_ms"]["p50"] <= slowest_ms


def test_each_fault_has_its_code_and_attempts(runs: Runs) -> None:
    """Each fault has its code and attempts and may have been billed; only transient ones are retryable."""
    letters = letters_by_fault(runs)
    ended = zip(letters["error_code"].astype(str), letters["attempts"], strict=True)
    assert dict(zip(letters.index, ended, strict=True)) == ATTEMPTED
    assert set(letters.index[letters["retryable"]]) == TRANSIENT
    assert letters["maybe_billed"].all()
    assert set(letters["stage"]) == {"annotate"}
    assert (letters["first_attempt_at"] <= letters["last_attempt_at"]).all()
    assert not letters["message"].str.contains("s3cret").any()


def test_what_is_not_fit_to_send_is_not_sent(runs: Runs) -> None:
    """A private address and a row without a URL cost no call."""
    letters = table(runs.output, "dead_letters", "first").set_index("image_url").loc[[PRIVATE, NO_URL]]
    assert letters["error_code"].astype(str).tolist() == ["forbidden_address", "local_file_not_allowed"]
    assert letters["attempts"].tolist() == [0, 0]
    assert not letters["maybe_billed"].any()
    assert not {PRIVATE, NO_URL} & runs.asked["first"].keys()


def test_equal_urls_are_one_call(runs: Runs) -> None:
    """300 rows with 30 different URLs cost 30 calls, and all 300 are answered."""
    assert {url: runs.asked["first"][url] for url in images(ORIGINALS)} == dict.fromkeys(images(ORIGINALS), 1)
    assert table(runs.output, "images", "first")["image_url"].isin(images(ORIGINALS)).sum() == 300


def test_the_record_counts_what_the_service_counted(runs: Runs) -> None:
    """The record's numbers of calls, retries and maybe billed calls equal those at the service."""
    assert sum(runs.asked["first"].values()) == SENT
    assert run_json(runs.output, "first")["calls"] == {
        "images": len(set(URLS)) - 1,
        "from_journal": 0,
        "sent": SENT,
        "retries": 18,
        "maybe_billed": len(ATTEMPTED),
        "not_sent": 0,
        "faces_left_out": 0,
    }


def test_too_many_dead_letters_are_told_by_the_exit_code(runs: Runs) -> None:
    """Too many dead letters end the run with exit 3 and the limit; the summary has calls and credits."""
    finished = runs.finished["first"]
    assert finished.returncode == 3
    assert "of its rows are dead letters; --max-failure-share allows 5.0 %" in finished.stderr
    said = " ".join(finished.stdout.replace("│", " ").split())
    for part in (f"calls sent {SENT}", "retries 18", f"credits at most {SENT * 0.0025:.4f}"):
        assert part in said


def test_a_second_run_asks_only_for_what_may_go_well(runs: Runs) -> None:
    """A second run sends one call for each failure that may pass, gets its answer, and sends no more."""
    assert runs.asked["second"] == {url_of(name): 1 for name in AGAIN}
    found = table(runs.output, "images", "second").set_index("image_url")
    fresh = set(found.index[~found["from_journal"]])
    assert fresh == {url_of(name) for name in AGAIN}
    calls = run_json(runs.output, "second")["calls"]
    stored = len(set(URLS)) - 2 - len(AGAIN)
    assert (calls["sent"], calls["from_journal"], calls["maybe_billed"]) == (len(AGAIN), stored, 0)


def test_stored_failures_come_back_as_they_were(runs: Runs) -> None:
    """A failure from the journal has code, message, status, trace id and attempts of the original call."""
    columns = ["error_code", "raw_code", "upstream_code", "http_status", "message", "trace_id", "attempts"]
    before, after = letters_by_fault(runs), letters_by_fault(runs, "second")
    assert set(after.index) == ATTEMPTED.keys() - AGAIN
    pd.testing.assert_frame_equal(before.loc[after.index, columns], after[columns], check_categorical=False)


def test_stored_answers_that_do_not_count_are_asked_for_again(runs: Runs) -> None:
    """`--ask-again` sends one call for each stored answer with a named code or no face, and no other call."""
    again = {*REJECTED[ErrorCode.INVALID_RESPONSE].split(), "zero_faces", "null_faces", "no_face_in_photo"}
    assert runs.asked["third"] == {url_of(name): 1 for name in again}
    assert "invalid_response" not in set(table(runs.output, "dead_letters", "third")["error_code"])
