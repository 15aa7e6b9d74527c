"""Messages of failed downloads, which name the value, the rule and the cure."""

import pytest

from facebeam.schemas.errors import ErrorCode
from facebeam.transforms.http.errors import CLASSES
from facebeam.transforms.http.status import image_status_code
from facebeam.transforms.images.fetch_failure import fetch_failure, too_large

CURED = [code for code in ErrorCode if code.about.cure]


@pytest.mark.parametrize("code", CURED)
def test_every_code_of_a_fetch_has_a_message(code: ErrorCode) -> None:
    """Each message has the URL, the cause, its meaning and the cure, in less than 700 characters."""
    failure = fetch_failure(code, "http://h/" + "a" * 900, "b" * 900).failure
    assert (failure.code, failure.stage) == (code, "fetch")
    assert failure.message.startswith("http://h/aaa")
    assert "bbb" in failure.message
    assert code.meaning in failure.message
    assert len(failure.message) < 700


def test_whatever_a_download_meets_has_a_cure() -> None:
    """Each code that stands for an exception or a status of a download has a cure."""
    statuses = {image_status_code(status) for status in range(600)} - {None}
    assert {*CLASSES, *statuses} <= {*CURED}


def test_a_cure_can_be_more_precise() -> None:
    """A given cure replaces the cure of the code."""
    error = fetch_failure(ErrorCode.FILE_UNREADABLE, "gs://b/a.jpg", "no client", "install it")
    assert error.failure.message.endswith(": install it")


def test_an_image_over_the_cap_names_both_sizes() -> None:
    """The message of an image over the limit has its size and the limit."""
    message = too_large("a.jpg", "9 bytes", 5).failure.message
    assert "9 bytes, and the limit is 5 bytes" in message
