"""Every error code has a name that a folder can have, one fate and one meaning."""

import re

import pytest

from schemas.errors import MEANINGS, ErrorCode, Fate, RunError, fate


@pytest.mark.parametrize("code", ErrorCode)
def test_every_code_is_complete(code: ErrorCode) -> None:
    """Each code has a name that a folder can have, a fate, and a meaning that fits a cell in the README."""
    assert re.fullmatch(r"[a-z0-9_]{1,64}", code)
    assert code == code.name.lower()
    assert fate(code) in Fate
    assert re.fullmatch(r"[^|\n]{5,100}", MEANINGS[code])


def test_no_meaning_is_left_over() -> None:
    """The meanings are in the order of the codes, one for each code, and no two are equal."""
    assert list(MEANINGS) == list(ErrorCode)
    assert len(set(MEANINGS.values())) == len(ErrorCode)


def test_only_what_may_pass_is_asked_again() -> None:
    """Failures of the network and of servers are retried; failures of the image are not."""
    assert {code for code in ErrorCode if fate(code) is Fate.RETRY} == {
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
    assert [fate(code, attempts) for attempts in range(1, retries + 2)] == [*[Fate.RETRY] * retries, then]


def test_what_was_not_asked_for_stops_the_run() -> None:
    """The codes of a used-up budget and of a closed time window stop all sending."""
    assert {fate(ErrorCode.BUDGET_EXHAUSTED), fate(ErrorCode.WINDOW_CLOSED)} == {Fate.OPEN_CIRCUIT}


def test_a_run_error_is_its_line() -> None:
    """The text of a RunError is its message alone, since the user sees exactly this text."""
    assert str(RunError("no space: free some")) == "no space: free some"
