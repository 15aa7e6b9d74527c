"""Messages that name the value, the rule and the cure."""

import pytest

from schemas.errors import MEANINGS, ErrorCode
from transforms.fetch_failure import fetch_failure, too_large

NOT_OURS = {ErrorCode.IMAGE_EMPTY, ErrorCode.IMAGE_UNDECODABLE, ErrorCode.INVALID_RESPONSE}
"""Codes of later stages: a fetch has read the bytes and looks at none."""


@pytest.mark.parametrize("code", sorted({*ErrorCode} - NOT_OURS))
def test_every_code_of_a_fetch_has_a_message(code: ErrorCode) -> None:
    """Expect the URL, what happened, what it means and what to do, in less than 700 characters."""
    failure = fetch_failure(code, "http://h/" + "a" * 900, "b" * 900).failure
    assert (failure.code, failure.stage) == (code, "fetch")
    assert failure.message.startswith("http://h/aaa")
    assert "bbb" in failure.message
    assert MEANINGS[code] in failure.message
    assert len(failure.message) < 700


def test_a_cure_can_be_more_precise() -> None:
    """Expect the given cure in place of the code's."""
    error = fetch_failure(ErrorCode.FILE_UNREADABLE, "gs://b/a.jpg", "no client", "install it")
    assert error.failure.message.endswith(": install it")


def test_an_image_over_the_cap_names_both_sizes() -> None:
    """Expect its size and the cap."""
    message = too_large("a.jpg", "9 bytes", 5).failure.message
    assert "9 bytes, and at most 5 bytes" in message
