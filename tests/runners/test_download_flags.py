"""What image hosts are told, whom a run trusts, and that no secret becomes an option."""

import os
from pathlib import Path
from threading import Event

import pytest

from tests.helpers.console import annotate, ends, facebeam, run_json, table, write_urls
from tests.helpers.scripted_server import Exchange, ScriptedServer
from tests.helpers.self_signed import self_signed_context

AGENT = "survey/2.0 (mailto:ann@example.com)"
REFERER = "Referer: https://example.com/gallery"


def test_image_hosts_see_the_users_headers(tmp_path: Path, photos: Path) -> None:
    """The host gets --user-agent and each --header; a replay of the run sends them too."""
    photo = (photos / "astronaut.png").read_bytes()
    may_pass: list[bool] = []

    def wants_contact(exchange: Exchange) -> None:
        exchange.answer(photo) if may_pass else exchange.answer(b"", "403 Forbidden")

    flags = ("--allow-private-urls", "--user-agent", AGENT, "--header", REFERER, "--header", "DNT:1")
    with ScriptedServer({"/a.png": wants_contact}) as server:
        manifest = write_urls(tmp_path / "urls.txt", [server.url("/a.png")])
        assert annotate(manifest, tmp_path / "out", *flags, "--run-id", "first").returncode == 0
        assert "--user-agent, --header" in table(tmp_path / "out", "dead_letters")["message"][0]
        may_pass.append(True)
        again = ("--output", tmp_path / "out", "--run", "first", "--codes", "forbidden", "--run-id", "second")
        assert facebeam("replay", *again).returncode == 0
    assert len(table(tmp_path / "out", "images", "second")) == 1
    for exchange in server.seen:
        sent = [exchange.headers[name] for name in ("User-Agent", "Referer", "DNT")]
        assert sent == [AGENT, "https://example.com/gallery", "1"]
    assert run_json(tmp_path / "out", "second")["options"]["header"] == [REFERER, "DNT: 1"]


@pytest.mark.parametrize(
    ("flag", "said"),
    [
        ("--header=Authorization: s3cret", "Authorization looks like a secret; the run's record shows"),
        ("--header=X-Api-Key:s3cret", "X-Api-Key looks like a secret"),
        ("--header=Cookie: s3cret=1", "Cookie looks like a secret"),
        ("--header=X-Who: Bearer s3cret", "X-Who looks like a secret"),
        ("--header=Referer: https://ann:s3cret@example.com/", "Referer looks like a secret"),
        ("--header=Referer: https://example.com/?sig=s3cret", "Referer looks like a secret"),
        ("--user-agent=crawler token=s3cret", "the text looks like a secret"),
        ("--header=s3cret", "a header must have the form 'Name: value'"),
        ("--header=X-s3 cret: 1", "a header must have the form 'Name: value'"),
        ("--header=Host: s3cret", "facebeam sets Host itself"),
        ("--header=X-Who: s3cret\r\nHost: a", "X-Who is not 1 to 1000 characters of printable ASCII"),
        ("--user-agent=", "the text is not 1 to 1000 characters of printable ASCII"),
    ],
)
def test_a_secret_is_no_option(tmp_path: Path, flag: str, said: str) -> None:
    """A header that looks like a secret ends with 2 before the run, and its value is not repeated."""
    finished = annotate(tmp_path / "urls.txt", tmp_path / "out", flag)
    assert (finished.returncode, finished.stdout) == (2, "")
    assert said in finished.stderr
    assert "s3cret" not in finished.stderr
    assert not (tmp_path / "out").exists()


def test_a_slow_host_holds_up_its_own_images_only(tmp_path: Path, photos: Path) -> None:
    """No image times out where one host answers nothing until another was asked for all its images."""
    photo = (photos / "coffee.png").read_bytes()
    paths = [f"/{number}.png" for number in range(20)]
    go_on = Event()

    def fast(exchange: Exchange) -> None:
        if len(other.seen) == len(paths):
            go_on.set()
        exchange.answer(photo)

    def slow(exchange: Exchange) -> None:
        assert go_on.wait(180)
        exchange.answer(photo)

    with (
        ScriptedServer(dict.fromkeys(paths, slow)) as server,
        ScriptedServer(dict.fromkeys(paths, fast)) as other,
    ):
        urls = [host.url(path) for path in paths for host in (server, other)]
        manifest = write_urls(tmp_path / "urls.txt", urls)
        flags = ("--allow-private-urls", "--timeout", "20s", "--connections-per-host", 2, "--workers", 1)
        assert annotate(manifest, tmp_path / "out", *flags).returncode == 0
        assert ends(tmp_path / "out") == dict.fromkeys(urls, "0 faces")
        assert len(server.seen) == len(paths)


def test_flags_of_downloads_go_with_the_local_source(tmp_path: Path) -> None:
    """The web API downloads images itself, so the flag for image hosts is refused there."""
    finished = annotate(tmp_path / "urls.txt", tmp_path / "out", "--source", "api", "--header", REFERER)
    assert finished.returncode == 2
    assert "--header works only with --source local" in finished.stderr


def test_a_private_authority_is_trusted_where_it_is_named(tmp_path: Path, photos: Path) -> None:
    """--ca-file, or the usual variable with --trust-proxies, makes a private certificate valid."""
    photo = (photos / "astronaut.png").read_bytes()
    ca_file = tmp_path / "localhost.pem"
    env = os.environ | {"REQUESTS_CA_BUNDLE": str(ca_file), "CURL_CA_BUNDLE": ""}
    with ScriptedServer(
        {"/a.png": lambda exchange: exchange.answer(photo)}, tls=self_signed_context(tmp_path)
    ) as server:
        url = server.url("/a.png").replace("127.0.0.1", "localhost")
        command = ("annotate", "--manifest", write_urls(tmp_path / "urls.txt", [url]))
        for name, flags, end in (
            ("unknown", (), "tls_error"),
            ("flag", ("--ca-file", ca_file), "1 faces"),
            ("variable", ("--trust-proxies",), "1 faces"),
        ):
            output = tmp_path / name
            shared = ("--output", output, "--allow-private-urls", "--max-failure-share", 1)
            assert facebeam(*command, *shared, *flags, env=env).returncode == 0
            assert ends(output) == {url: end}
    assert "--ca-file" in table(tmp_path / "unknown", "dead_letters")["message"][0]


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "cannot be read (No such file or directory)"), ("none", "contains no PEM certificate")],
)
def test_a_wrong_ca_file_is_found_before_the_run(tmp_path: Path, content: str | None, said: str) -> None:
    """A file that is not there, or has no certificate, ends with 2 and its name."""
    ca_file = tmp_path / "ca.pem"
    if content is not None:
        ca_file.write_text(content)
    manifest = write_urls(tmp_path / "urls.txt", ["http://name.invalid/a.jpg"])
    for command in ("annotate", "plan"):
        finished = facebeam(
            command, "--manifest", manifest, "--output", tmp_path / "out", "--ca-file", ca_file
        )
        assert finished.returncode == 2
        assert f"--ca-file {ca_file} {said}" in finished.stderr
