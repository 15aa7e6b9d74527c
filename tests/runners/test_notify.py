"""`--notify-url`: the end of a run is posted once as JSON. If that fails, the run does not."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from tests.helpers.console import ROOT, Finished, facebeam, rehearse, write_urls
from tests.helpers.processes import free_port
from tests.helpers.scripted_server import Exchange, ScriptedServer

URLS = ["https://example.com/b0.jpg", "https://example.com/d0.jpg", "https://example.com/fail-timeout/1.jpg"]
SECRET = "T0/B0/s3cret"  # noqa: S105 - made up


def chat(exchange: Exchange) -> None:
    """Take a message as Slack documents it: JSON, an object with a text."""
    is_json = exchange.headers["Content-Type"] == "application/json"
    is_right = is_json and isinstance(json.loads(exchange.body).get("text"), str)
    exchange.answer(b"ok" if is_right else b"no_text", "200 OK" if is_right else "400 Bad Request")


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    """Start a server with a chat, and with one that is never there."""
    with ScriptedServer({f"/{SECRET}": chat}) as started:
        yield started


def run(tmp_path: Path, url: str, *flags: object, urls: list[str] = URLS) -> Finished:
    """Rehearse a run that posts to this URL."""
    manifest = write_urls(tmp_path / "urls.txt", urls)
    return rehearse(manifest, tmp_path / "out", "--run-id", "one", "--notify-url", url, *flags)


def bodies(server: ScriptedServer) -> list[dict[str, object]]:
    """Give what was posted."""
    assert {exchange.method for exchange in server.seen} <= {"POST"}
    return [json.loads(exchange.body) for exchange in server.seen]


def test_a_committed_run_is_told_once(tmp_path: Path, server: ScriptedServer) -> None:
    """The body has the summary and a text for chats; a repeated command has nothing to tell."""
    for _ in range(2):
        assert run(tmp_path, server.url(f"/{SECRET}")).returncode == 0
    (body,) = bodies(server)
    assert body["text"] == "facebeam: run one is committed: 3 rows, 1 ok, 1 no face, 1 dead letters, 1 faces"
    told = [body[name] for name in ("event", "run_id", "rows", "dead_letters", "exit_code", "error")]
    assert told == ["committed", "one", 3, {"timeout": 1}, 0, None]


def test_what_is_missing_in_a_run_is_told(tmp_path: Path, server: ScriptedServer) -> None:
    """A run with too many dead letters is told with its exit code and the reason."""
    assert run(tmp_path, server.url(f"/{SECRET}"), "--max-failure-share", 0).returncode == 3
    (body,) = bodies(server)
    assert (body["event"], body["exit_code"]) == ("committed", 3)
    assert "33.3 % of its rows are dead letters" in str(body["error"])
    assert str(body["error"]) in str(body["text"])


def test_a_run_that_fails_is_told(tmp_path: Path, server: ScriptedServer) -> None:
    """A run of which every row fails because of a flag is told with its exit code and the reason."""
    assert run(tmp_path, server.url(f"/{SECRET}"), urls=["photo.jpg"]).returncode == 2
    assert_failed(server, "--allow-local-files")


def test_a_run_that_cannot_begin_is_told(tmp_path: Path, server: ScriptedServer) -> None:
    """A run whose manifest is missing is told, too."""
    place = ("--manifest", tmp_path / "gone.csv", "--output", tmp_path / "out", "--run-id", "one")
    assert facebeam("annotate", *place, "--notify-url", server.url(f"/{SECRET}")).returncode == 2
    assert_failed(server, "gone.csv")


def assert_failed(server: ScriptedServer, said: str) -> None:
    """Check what was posted of a run that is not committed."""
    (body,) = bodies(server)
    assert (body["event"], body["run_id"], body["exit_code"]) == ("failed", "one", 2)
    assert said in str(body["error"])
    assert body["text"] == f"facebeam: {body['error']}"


def test_a_server_that_stumbles_is_asked_again(tmp_path: Path, server: ScriptedServer) -> None:
    """After a 503 the same body is posted again, and nothing is said of it."""
    calls = count()

    def stumbles(exchange: Exchange) -> None:
        exchange.answer(b"", "200 OK" if next(calls) else "503 Service Unavailable")

    server.scripts = {"/hook": stumbles}
    finished = run(tmp_path, server.url("/hook"))
    assert (finished.returncode, "could not be told" in finished.stderr) == (0, False)
    first, second = bodies(server)
    assert first == second


def test_a_server_that_refuses_fails_no_run(tmp_path: Path, server: ScriptedServer) -> None:
    """A final answer is not asked for again; it is said, without the path, which may be a secret."""
    finished = run(tmp_path, server.url(f"/gone/{SECRET}?token={SECRET}"))
    assert (finished.returncode, len(server.seen)) == (0, 1)
    assert "the end of run one could not be told to http://127.0.0.1: HTTP 404" in finished.stderr
    assert SECRET not in finished.stderr + finished.stdout
    for path in (tmp_path / "out").rglob("*"):
        assert path.is_dir() or SECRET.encode() not in path.read_bytes()


def test_a_server_that_is_away_fails_no_run(tmp_path: Path) -> None:
    """Where nobody answers, the run is as good as without the flag."""
    finished = run(tmp_path, f"http://127.0.0.1:{free_port()}/{SECRET}")
    assert finished.returncode == 0
    assert "could not be told to http://127.0.0.1: no answer (ConnectionError)" in finished.stderr
    assert SECRET not in finished.stderr


def test_finalize_tells_it_too(tmp_path: Path, server: ScriptedServer) -> None:
    """`finalize` posts how the run ended."""
    assert rehearse(write_urls(tmp_path / "urls.txt", URLS), tmp_path / "out").returncode == 0
    where = ("--output", tmp_path / "out", "--run", "latest")
    assert facebeam("finalize", *where, "--notify-url", server.url(f"/{SECRET}")).returncode == 0
    (body,) = bodies(server)
    assert (body["event"], body["rows"], body["exit_code"]) == ("committed", 3, 0)


def test_the_lines_of_the_docs_work(tmp_path: Path, server: ScriptedServer) -> None:
    """The line for a chat posts to it; the one for Prometheus writes a file in its text format."""
    if shutil.which("jq") is None:
        pytest.skip("jq is not installed")
    text = (ROOT / "docs/deploy.md").read_text()
    line = re.search(r"^facebeam .+--notify-url.+$", text, re.MULTILINE)
    assert line
    (tmp_path / "photos.csv").write_text("\n".join(["image_url", *URLS]))
    words = line[0].replace('"$SLACK_WEBHOOK"', server.url(f"/{SECRET}")).split()[1:]
    words += ["--source", "fake", "--run-id", "one", "--max-failure-share", "1"]
    assert facebeam(*words, cwd=tmp_path).returncode == 0
    assert len(bodies(server)) == 1
    block = re.search(r"^RUN=.+?\n(?=```)", text, re.MULTILINE | re.DOTALL)
    assert block
    script = block[0].replace("/var/lib/node_exporter", str(tmp_path)).replace("RUN=<id>", "RUN=one")
    subprocess.run(["/bin/sh", "-euc", script], cwd=tmp_path, check=True)
    lines = (tmp_path / "facebeam.prom").read_text().splitlines()
    assert all(re.fullmatch(r'[a-z_]+(\{error_code="[a-z_]+"\})? \d+(\.\d+)?', each) for each in lines)
    assert {"facebeam_rows 3", "facebeam_ok 1", 'facebeam_dead_letters{error_code="timeout"} 1'} <= {*lines}
