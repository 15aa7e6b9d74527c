"""Servers that never answer or never finish: both sources give up after the time that the user allows."""

from pathlib import Path

import pandas as pd

from tests.helpers.api_console import UNPACED, annotate_by_api, images
from tests.helpers.console import annotate, ends, table, write_urls
from tests.helpers.paid_service import FaultyServer, by_image_url
from tests.helpers.paid_service_answers import answers, drips, hangs
from tests.helpers.scripted_server import Script, ScriptedServer

ENDLESS: dict[str, Script] = {
    "hang": hangs,
    "drip_status": drips("HTTP/1.1 200 "),
    "drip_headers": drips("HTTP/1.1 200 OK\r\nX-Slow: "),
    "drip_body": drips("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"),
}
"""Answers that do not end. A drip sends bytes too often for a read timeout, and lasts for ten seconds."""
ALLOWED = ("--timeout", "1s")


def test_calls_without_an_end(tmp_path: Path) -> None:
    """Calls without an end become a retryable `timeout` after four attempts, maybe billed.

    The other images are answered.
    """
    endless = [f"https://images.example.com/fault-{fault}/a.jpg" for fault in ENDLESS]
    manifest = write_urls(tmp_path / "urls.txt", [*endless, *images(5)])
    with FaultyServer(by_image_url(answers())) as server:
        finished = annotate_by_api(server.base_url, manifest, tmp_path / "out", *UNPACED, *ALLOWED)
        asked = {url: server.calls_by_url[url] for url in endless}
    assert finished.returncode == 0, finished.stderr
    assert ends(tmp_path / "out") == dict.fromkeys(endless, "timeout") | dict.fromkeys(images(5), "1 faces")
    assert asked == dict.fromkeys(endless, 4)
    letters = letters_of(tmp_path / "out")
    assert letters["maybe_billed"].all()


def test_downloads_without_an_end(tmp_path: Path, photos: Path) -> None:
    """Downloads without an end become a retryable `timeout` after four attempts; the photo has its face."""
    photo = (photos / "astronaut.png").read_bytes()
    scripts = {f"/{name}.jpg": script for name, script in ENDLESS.items()}
    with ScriptedServer(scripts | {"/a.png": lambda exchange: exchange.answer(photo)}) as server:
        endless = [server.url(path) for path in scripts]
        manifest = write_urls(tmp_path / "urls.txt", [*endless, server.url("/a.png")])
        finished = annotate(manifest, tmp_path / "out", "--allow-private-urls", *ALLOWED)
        assert finished.returncode == 0, finished.stderr
        assert ends(tmp_path / "out") == dict.fromkeys(endless, "timeout") | {server.url("/a.png"): "1 faces"}
    letters = letters_of(tmp_path / "out")
    assert not letters["maybe_billed"].any()
    assert set(letters["stage"]) == {"fetch"}


def letters_of(output: Path) -> pd.DataFrame:
    """Read the dead letters; check that each had four attempts and is retryable."""
    letters = table(output, "dead_letters")
    assert set(letters["attempts"]) == {4}
    assert letters["retryable"].all()
    return letters
