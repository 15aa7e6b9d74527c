"""Errors in the set-up of the web API are reported before anything is sent, and never show the token."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from facebeam.runners.cli import main
from tests.helpers.api_console import TOKEN, annotate_by_api, images, with_token
from tests.helpers.console import Finished, rehearse, write_urls
from tests.helpers.paid_service import FaultyServer


@pytest.fixture(scope="module")
def server() -> Iterator[FaultyServer]:
    """Start a service; check at the end that it had no connection."""
    with FaultyServer() as server:
        yield server
        assert server.connections == 0


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Write a manifest of two images."""
    return write_urls(tmp_path / "photos.txt", images(2))


def assert_told(finished: Finished, said: str) -> None:
    """Check that the command exited with 2 and these words, without the token or a traceback."""
    assert (finished.returncode, finished.stdout) == (2, "")
    assert said in finished.stderr
    assert TOKEN[:12] not in finished.stderr
    assert TOKEN[-12:] not in finished.stderr
    assert "Traceback" not in finished.stderr


@pytest.mark.parametrize(
    ("token", "said"),
    [
        (None, "environment variable ACEDATACLOUD_API_TOKEN is not set: export it"),
        ("", "environment variable ACEDATACLOUD_API_TOKEN is empty: put the API token there"),
        (" \n", "environment variable ACEDATACLOUD_API_TOKEN is empty"),
        (
            f"{TOKEN[:20]}\n{TOKEN[20:]}",
            "variable ACEDATACLOUD_API_TOKEN does not hold a valid token",
        ),
        (f"Bearer {TOKEN}", "put only the token there, without 'Bearer'"),
        (f"{TOKEN}\N{SNOWMAN}", "variable ACEDATACLOUD_API_TOKEN does not hold a valid token"),
    ],
    ids=["missing", "empty", "blank", "newline_inside", "with_bearer", "not_ascii"],
)
def test_a_wrong_token_is_not_sent(
    server: FaultyServer, manifest: Path, token: str | None, said: str
) -> None:
    """A command with a wrong token exits with 2; the error has its variable and the cure, not its value.

    The output folder is not created.
    """
    output = manifest.parent / "out"
    flags = ("--source", "api", "--base-url", server.base_url, "--manifest", manifest, "--output", output)
    assert_told(with_token("annotate", *flags, token=token), said)
    assert not output.exists()


def test_a_token_file_is_checked_as_well(server: FaultyServer, manifest: Path) -> None:
    """An unreadable --token-file is an error that names it, even if the environment has a token."""
    for path, why in ((manifest.parent / "none", "No such file"), (manifest.parent, "Is a directory")):
        finished = annotate_by_api(server.base_url, manifest, manifest.parent / "out", "--token-file", path)
        assert_told(finished, f"token file {path} cannot be read ({why}")


@pytest.mark.parametrize(
    "flags",
    [
        ["--budget-calls", "1"],
        ["--budget-credits", "1"],
        ["--window", "1"],
        ["--token-file", "token"],
        ["--token-secret", "projects/a/secrets/b"],
        ["--rate", "20"],
        ["--base-url", "http://127.0.0.1:8080"],
        ["--face-model-version", "2.0"],
    ],
    ids=lambda flags: flags[0],
)
def test_flags_of_the_api_go_with_the_api_only(manifest: Path, flags: Sequence[str]) -> None:
    """With another source, a flag of the API ends the command with 2, because it would be ignored."""
    assert_told(
        rehearse(manifest, manifest.parent / "out", *flags), f"{flags[0]} works only with --source api"
    )


WRONG = [
    (
        ["--token-file", "a", "--token-secret", "b"],
        "--token-file and --token-secret exclude each other: give one",
    ),
    (["--rate", "0"], "'0' is not calls per second, 0.001 to 10000"),
    (["--rate", "-1"], "'-1' is not calls per second"),
    (["--rate", "inf"], "'inf' is not calls per second"),
    (["--rate", "nan"], "'nan' is not calls per second"),
    (["--rate", "fast"], "'fast' is not calls per second"),
    (["--stop-at", "24:00"], "'24:00' is not a time of day such as 06:00"),
    (["--stop-at", "6 am"], "'6 am' is not a time of day"),
    (["--max-duration", "0s"], "'0s' is not a length of time"),
    (["--max-duration", "90"], "'90' is not a length of time such as 90s"),
    (["--max-age", "old"], "'old' is not a length of time"),
    (["--budget-calls", "0"], "'0' is not a number from 1"),
    (["--budget-calls", "1.5"], "'1.5' is not a number from 1"),
    (["--budget-credits", "0"], "'0' is not an amount of credits above 0"),
    (["--price", "nan"], "'nan' is not an amount of credits"),
    (["--window", "0"], "'0' is neither 'auto' nor a number from 1 to 1000"),
    (["--ask-again", "busy,bsuy"], "'bsuy' is not an error code; did you mean busy?"),
    (["--base-url", "api.acedata.cloud"], "'api.acedata.cloud' is not an address such as https://"),
    (["--base-url", "ftp://example.com"], "is not an address"),
    (["--base-url", "https://example.com?a=b"], "is not an address"),
    (["--base-url", "https://user@example.com"], "is not an address"),
    (["--base-url", "https://example.com:port"], "is not an address"),
    (["--base-url", "https://example.com:99999"], "is not an address"),
    (["--base-url", "https://[::1"], "is not an address"),
    (["--base-url", "https://:443"], "is not an address"),
    (["--base-url", "https://a.com/v1/face/analyze"], "that facebeam adds itself: give https://a.com/v1"),
    (["--face-model-version", " "], "' ' is not a model version: give 3.0"),
    (["--budget-credits", "0.001"], "--budget-credits 0.001 does not pay for one call at 0.0025"),
]


@pytest.mark.parametrize(("flags", "said"), WRONG, ids=[" ".join(flags) for flags, _ in WRONG])
def test_a_wrong_value_is_told_with_its_rule(
    capsys: pytest.CaptureFixture[str], flags: Sequence[str], said: str
) -> None:
    """A wrong value ends the command with 2, and the error shows the value and its rule."""
    with pytest.raises(SystemExit) as ended:
        main(["annotate", "--source", "api", "--manifest", "photos.txt", "--output", "out", *flags])
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_a_journal_that_cannot_be_written_costs_nothing(server: FaultyServer, manifest: Path) -> None:
    """If the journal's folder would be below a file, the command exits with 2 before the first call."""
    flags = ("--journal", manifest / "journal")
    finished = annotate_by_api(server.base_url, manifest, manifest.parent / "out", *flags)
    assert_told(finished, f"cannot write {manifest / 'journal'}")
