"""Runs by the web API that stop sending early: a bad account, a dead service, a budget, a time limit."""

import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.helpers.api_console import UNPACED, annotate_by_api, environment, images
from tests.helpers.console import FACEBEAM, Finished, run_json, table, write_urls
from tests.helpers.paid_service import FaultyServer, from_call
from tests.helpers.paid_service_answers import answers, fails

WINDOW = 8
GOOD_CALLS = 39


def calls_of(output: Path, run_id: str = "one") -> dict[str, int]:
    """Read the counts of calls from the run's record."""
    calls: dict[str, int] = run_json(output, run_id)["calls"]
    return calls


def codes_of(output: Path, run_id: str = "one") -> dict[str, int]:
    """Read the number of dead letters per code from the run's record."""
    dead: dict[str, int] = run_json(output, run_id)["counts"]["dead"]
    return dead


@dataclass(frozen=True)
class Stopped:
    """A run in which the service begins to refuse the account."""

    finished: Finished
    output: Path
    calls: int


@pytest.fixture(scope="module")
def bad_account(tmp_path_factory: pytest.TempPathFactory) -> Stopped:
    """Let the service refuse the token from the fortieth call on; 400 of the 700 rows have no URL anyway."""
    folder = tmp_path_factory.mktemp("circuit")
    manifest = write_urls(folder / "photos.txt", [*images(300), *["no url"] * 400])
    refuses = fails("401 Unauthorized", "invalid_token")
    with FaultyServer(from_call(GOOD_CALLS + 1, refuses, answers())) as server:
        flags = ("--run-id", "one", "--window", WINDOW, *UNPACED)
        finished = annotate_by_api(server.base_url, manifest, folder / "out", *flags)
        return Stopped(finished, folder / "out", server.calls)


def test_a_refused_token_stops_all_sending(bad_account: Stopped) -> None:
    """After the first refusal the run sends no new call, and it keeps the answers before the refusal."""
    assert GOOD_CALLS < bad_account.calls <= GOOD_CALLS + WINDOW
    assert len(table(bad_account.output, "images")) == GOOD_CALLS
    refused = bad_account.calls - GOOD_CALLS
    assert calls_of(bad_account.output) == {
        "images": 300,
        "from_journal": 0,
        "sent": bad_account.calls,
        "retries": 0,
        "maybe_billed": refused,
        "not_sent": 300 - bad_account.calls,
        "faces_left_out": 0,
    }


def test_what_was_not_sent_says_so(bad_account: Stopped) -> None:
    """An image that was not sent has the refusal's code and no attempt, and is not billed."""
    letters = table(bad_account.output, "dead_letters")
    letters = letters[letters["error_code"] == "invalid_token"]
    assert len(letters) == 300 - GOOD_CALLS
    rest = letters[letters["stage"] == "not_sent"]
    assert len(rest) == 300 - bad_account.calls
    assert set(rest["attempts"]) == {0}
    assert not rest["maybe_billed"].any()
    assert rest["first_attempt_at"].isna().all()
    assert set(letters["attempts"]) == {0, 1}


def test_a_run_that_was_stopped_tells_why(bad_account: Stopped) -> None:
    """The run exits with 3 and names cause and cure, although more rows failed for another reason."""
    assert bad_account.finished.returncode == 3
    left = 300 - bad_account.calls
    assert f"stopped early: {left} images were not asked for (invalid_token: " in bad_account.finished.stderr
    assert "check ACEDATACLOUD_API_TOKEN or --token-file" in bad_account.finished.stderr


@pytest.mark.slow
def test_a_dead_service_is_given_up_on(tmp_path: Path) -> None:
    """After two minutes of refused connections, the run stops and exits with 3; nothing is billed."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        closed = f"http://127.0.0.1:{listener.getsockname()[1]}"
    manifest = write_urls(tmp_path / "photos.txt", images(300))
    finished = annotate_by_api(closed, manifest, tmp_path / "out", "--run-id", "one", *UNPACED)
    assert finished.returncode == 3
    assert "images were not asked for (connection_failed: " in finished.stderr
    assert codes_of(tmp_path / "out") == {"connection_failed": 300}
    calls = calls_of(tmp_path / "out")
    assert (calls["maybe_billed"], calls["from_journal"]) == (0, 0)
    assert 0 < calls["not_sent"] < 300
    assert calls["sent"] < 64  # a call that reached nobody is made again, and counts once at most


def test_a_wrong_address_is_given_up_on(tmp_path: Path) -> None:
    """After a series of answers that are not the API's, the run exits with 3 and does not send the rest."""
    manifest = write_urls(tmp_path / "photos.txt", images(300))
    with FaultyServer(fails("404 Not Found")) as server:
        finished = annotate_by_api(server.base_url, manifest, tmp_path / "out", "--run-id", "one", *UNPACED)
        assert 50 <= server.calls <= 50 + 64
    assert finished.returncode == 3
    assert "images were not asked for (http_error: " in finished.stderr


@dataclass(frozen=True)
class Instalments:
    """Runs over one manifest of thirty images, each with a different limit."""

    output: Path
    finished: dict[str, Finished]
    calls: dict[str, int]


@pytest.fixture(scope="module")
def instalments(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instalments]:
    """Spend ten calls, then the credits of three calls, then one second; then send the rest."""
    folder = tmp_path_factory.mktemp("budget")
    manifest = write_urls(folder / "photos.txt", images(30))
    done = Instalments(folder / "out", {}, {})
    flags = {
        "calls": (*UNPACED, "--budget-calls", 10),
        "credits": (*UNPACED, "--budget-credits", 0.3, "--price", 0.1, "--budget-calls", 7),
        "time": ("--rate", 2, "--max-duration", "1s"),
        "rest": UNPACED,
    }
    with FaultyServer() as server:
        for run_id, limits in flags.items():
            before = server.calls
            common = ("--run-id", run_id, *limits)
            done.finished[run_id] = annotate_by_api(server.base_url, manifest, done.output, *common)
            done.calls[run_id] = server.calls - before
        assert server.counts()["repeated"] == 0
        yield done


def test_a_budget_is_spent_to_the_call_and_not_beyond(instalments: Instalments) -> None:
    """A run spends its budget exactly, in calls or in credits for whole calls; the smaller budget counts."""
    assert (instalments.calls["calls"], instalments.calls["credits"]) == (10, 3)
    assert codes_of(instalments.output, "calls") == {"budget_exhausted": 20}
    assert codes_of(instalments.output, "credits") == {"budget_exhausted": 17}
    calls = calls_of(instalments.output, "credits")
    assert (calls["sent"], calls["from_journal"], calls["not_sent"]) == (3, 10, 17)


def test_the_time_is_kept(instalments: Instalments) -> None:
    """A run of one second at two calls per second sends at most four calls, and does not send the rest."""
    sent = instalments.calls["time"]
    assert sent <= 4
    assert codes_of(instalments.output, "time") == {"window_closed": 17 - sent}
    assert calls_of(instalments.output, "time")["not_sent"] == 17 - sent


@pytest.mark.parametrize(
    ("run_id", "cause"),
    [("calls", "budget_exhausted"), ("credits", "budget_exhausted"), ("time", "window_closed")],
)
def test_a_limit_is_told_with_the_flags_that_set_it(
    instalments: Instalments, run_id: str, cause: str
) -> None:
    """The run exits with 3, names the limit and the number of images left, and advises to run again."""
    finished = instalments.finished[run_id]
    assert finished.returncode == 3
    left = codes_of(instalments.output, run_id)[cause]
    assert f"{left} images were not asked for ({cause}: --" in finished.stderr
    assert "run again to continue" in finished.stderr


def test_the_last_run_has_all_answers(instalments: Instalments) -> None:
    """The last run exits with 0 and has all thirty images, and all runs together sent thirty calls."""
    assert instalments.finished["rest"].returncode == 0
    assert len(table(instalments.output, "images", "rest")) == 30
    assert sum(instalments.calls.values()) == 30


def test_too_few_descriptors_are_told_before_any_call(tmp_path: Path) -> None:
    """A process that may open 64 files ends with exit 2 and the cure; nothing is sent."""
    manifest = write_urls(tmp_path / "urls.txt", images(3))
    with FaultyServer() as server:
        flags = f"--source api --base-url {server.base_url} --rate 50 --manifest {manifest}"
        run = f"ulimit -n 64; {FACEBEAM} annotate {flags} --output {tmp_path / 'out'}"
        done = subprocess.run(
            ["/bin/bash", "-c", run],
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=180,
        )
        assert (done.returncode, server.calls) == (2, 0), done.stderr
    assert "this process may open 64 files, and the run needs up to 200: raise the limit" in done.stderr
