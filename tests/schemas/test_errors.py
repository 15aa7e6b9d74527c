"""Every error code has a name that a folder can have, one fate and one meaning."""

import re

import pytest

from facebeam.schemas.errors import ErrorCode, Fate, RunError


@pytest.mark.parametrize("code", ErrorCode)
def test_every_code_is_complete(code: ErrorCode) -> None:
    """Each code has a name that a folder can have, a fate, and a meaning that fits a cell of a table."""
    assert re.fullmatch(r"[a-z0-9_]{1,64}", code)
    assert code == code.name.lower()
    assert code.fate() in Fate
    assert re.fullmatch(r"[^|\n]{5,100}", code.meaning)


def test_no_meaning_is_left_over() -> None:
    """No two codes mean the same, and no two are what one name of the upstream means."""
    assert len({code.meaning for code in ErrorCode}) == len(ErrorCode)
    names = [name for code in ErrorCode for name in code.about.upstream]
    assert len(set(names)) == len(names)


def test_only_what_may_pass_is_asked_again() -> None:
    """Failures of the network and of servers are retried; failures of the image are not."""
    assert {code for code in ErrorCode if code.fate() is Fate.RETRY} == {
        "host_not_found",
        "connection_failed",
        "timeout",
        "response_truncated",
        "too_many_requests",
        "server_error",
        "busy",
        "api_error",
        "upstream_error",
        "upstream_download_failed",
        "upstream_detection_failed",
        "upstream_account",
    }


@pytest.mark.parametrize(
    ("code", "retries", "then"),
    [
        (ErrorCode.UPSTREAM_DOWNLOAD_FAILED, 2, Fate.REJECT),
        (ErrorCode.UPSTREAM_DETECTION_FAILED, 1, Fate.REJECT),
        (ErrorCode.UPSTREAM_ACCOUNT, 2, Fate.OPEN_CIRCUIT),
        (ErrorCode.TIMEOUT, 9, Fate.RETRY),
    ],
)
def test_some_are_asked_again_only_so_often(code: ErrorCode, retries: int, then: Fate) -> None:
    """Some codes are retried only as often as the contract says; then their other fate applies."""
    assert [code.fate(attempts) for attempts in range(1, retries + 2)] == [*[Fate.RETRY] * retries, then]


def test_what_was_not_asked_for_stops_the_run() -> None:
    """The codes of a used-up budget and of a closed time window stop all sending."""
    assert {ErrorCode.BUDGET_EXHAUSTED.fate(), ErrorCode.WINDOW_CLOSED.fate()} == {Fate.OPEN_CIRCUIT}


def test_a_run_error_is_its_line() -> None:
    """The text of a RunError is its message alone, since the user sees exactly this text."""
    assert str(RunError("no space: free some")) == "no space: free some"
