"""Hosts that fail, lie or are forbidden: each has its own code, and transient failures are retried."""

import socket
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

from tests.helpers.console import annotate, ends, table, write_urls
from tests.helpers.scripted_server import Exchange, Script, ScriptedServer


def status(line: str, headers: Mapping[str, str] | None = None) -> Script:
    """Answer every request with one status."""
    return lambda exchange: exchange.answer(b"", line, headers)


def busy(exchange: Exchange) -> None:
    """Ask for another try."""
    exchange.answer(b"", "503 Busy")


def rest_of_a_page(exchange: Exchange) -> None:
    """Send what a server may leave on a connection, such as a body after 204."""
    exchange.send("<html>sorry</html>\r\n\r\n")


def once(fault: Script, photo: bytes) -> Script:
    """Fail the first request, then serve a photograph."""
    faults = iter([fault])

    def answer(exchange: Exchange) -> None:
        failing = next(faults, None)
        if failing:
            failing(exchange)
        else:
            exchange.answer(photo)

    return answer


def ten_gigabytes(exchange: Exchange) -> None:
    """Announce a body of 10 GB, and send the first 1000 bytes."""
    exchange.send("HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n")
    exchange.send(bytes(1000))


def torn(exchange: Exchange) -> None:
    """Send fewer bytes than announced."""
    exchange.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nshort")


def reset(exchange: Exchange) -> None:
    """Break the connection."""
    exchange.reset()


CODES = {
    "/whole.png": "1 faces",
    "/moved.png": "1 faces",
    "/busy-once.png": "1 faces",
    "/garbled-once.png": "1 faces",
    "/gone.png": "not_found",
    "/private.png": "forbidden",
    "/teapot.png": "http_error",
    "/broken.png": "server_error",
    "/loop.png": "too_many_redirects",
    "/huge.png": "image_too_large",
    "/torn.png": "response_truncated",
    "/reset.png": "connection_failed",
    "/page.png": "image_undecodable",
    "/brotli.png": "http_error",
    "/100%/caf%e9.png?": "1 faces",
    "/empty.png": "image_empty",
}
TRIED_AGAIN = {"/broken.png", "/torn.png", "/reset.png"}


@dataclass(frozen=True)
class Run:
    """A finished run over every kind of host."""

    server: ScriptedServer
    refusing: str
    output: Path


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, photos: Path) -> Iterator[Run]:
    """Annotate all URLs in one run, so that the pauses between attempts overlap."""
    photo = (photos / "astronaut.png").read_bytes()
    scripts: dict[str, Script] = {
        "/whole.png": lambda exchange: exchange.answer(photo),
        "/moved.png": status("302 Found", {"Location": "/whole.png"}),
        "/busy-once.png": once(busy, photo),
        "/garbled-once.png": once(rest_of_a_page, photo),
        "/private.png": status("403 Forbidden"),
        "/teapot.png": status("418 I'm a teapot"),
        "/broken.png": status("500 Broken"),
        "/loop.png": status("301 Moved", {"Location": "/loop.png"}),
        "/huge.png": ten_gigabytes,
        "/torn.png": torn,
        "/reset.png": reset,
        "/page.png": lambda exchange: exchange.answer(b"<!doctype html><p>Sign in"),
        "/empty.png": status("200 OK"),
        "/brotli.png": status("200 OK", {"Content-Encoding": "br"}),
        "/100%/caf%e9.png": lambda exchange: exchange.answer(photo),
    }
    folder = tmp_path_factory.mktemp("urls")
    with ScriptedServer(scripts) as server, socket.create_server(("127.0.0.1", 0)) as closing:
        refusing = f"http://127.0.0.1:{closing.getsockname()[1]}/a.png"
        closing.close()
        urls = [*map(server.url, CODES), refusing, "http://name.invalid/a.png"]
        finished = annotate(write_urls(folder / "urls.txt", urls), folder / "out", "--allow-private-urls")
        assert finished.returncode == 0, finished.stderr
        yield Run(server, refusing, folder / "out")


def test_every_url_has_its_own_end(run: Run) -> None:
    """Each URL ends with its number of faces or with the code for its host's behaviour."""
    expected = {run.server.url(path): end for path, end in CODES.items()}
    nowhere = {run.refusing: "connection_failed", "http://name.invalid/a.png": "host_not_found"}
    assert ends(run.output) == expected | nowhere


def test_transient_failures_are_asked_for_again(run: Run) -> None:
    """The run sends four requests for a transient failure, one for a lasting one, two if the second works."""
    seen = Counter(exchange.target for exchange in run.server.seen)
    assert {path: seen[path] for path in TRIED_AGAIN} == dict.fromkeys(TRIED_AGAIN, 4)
    assert (seen["/gone.png"], seen["/private.png"], seen["/huge.png"], seen["/busy-once.png"]) == (
        1,
        1,
        1,
        2,
    )
    assert seen["/100%/caf%e9.png?"] == 1
    assert 10 < seen["/loop.png"] < 50


def test_dead_letters_tell_attempts_and_whether_to_try_again(run: Run) -> None:
    """Dead letters have attempts, status, stage and times; exactly the transient failures are retryable."""
    letters = table(run.output, "dead_letters").set_index("image_url")
    fetched = letters[letters["stage"] == "fetch"]
    assert set(letters["stage"]) == {"fetch", "decode"}
    retried = fetched[fetched["retryable"]]
    assert set(retried["attempts"]) == {4}
    assert set(retried["error_code"].astype(str)) == {
        *("server_error", "response_truncated", "connection_failed", "host_not_found"),
    }
    assert set(letters[~letters["retryable"]]["attempts"]) == {1}
    assert letters.loc[run.server.url("/broken.png"), "http_status"] == 500
    assert (retried["first_attempt_at"] < retried["last_attempt_at"]).all()
    images = table(run.output, "images").set_index("image_url")
    assert images.loc[run.server.url("/busy-once.png"), "attempts"] == 2


def test_private_addresses_get_no_byte(tmp_path: Path) -> None:
    """Every spelling of this machine's address ends as `forbidden_address`, without one connection to it."""
    with ScriptedServer({}) as server:
        port = server.authority.rpartition(":")[2]
        hosts = ("127.0.0.1", "localhost", "2130706433", "[::1]", "[::ffff:127.0.0.1]", "0", "10.0.0.1")
        urls = [f"http://{host}:{port}/a.png" for host in hosts]
        manifest = write_urls(tmp_path / "urls.txt", [*urls, "a.png"])  # of private ones alone it were no run
        finished = annotate(manifest, tmp_path / "out")
        assert finished.returncode == 0, finished.stderr
        assert ends(tmp_path / "out") == dict.fromkeys(urls, "forbidden_address") | {
            "a.png": "local_file_not_allowed"
        }
        assert (server.connections, server.seen) == (0, [])
    letters: pd.DataFrame = table(tmp_path / "out", "dead_letters").set_index("image_url").loc[urls]
    assert set(letters["attempts"]) == {1}
    assert letters["message"].str.contains("not public; nothing was sent there").all()
