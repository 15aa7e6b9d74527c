"""HTTP statuses and Retry-After: what a server sends instead of an image."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis.strategies import integers, none, one_of, text

from facebeam.schemas.errors import ErrorCode
from facebeam.transforms.http.status import image_status_code, retry_after_s

NOW = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)


@given(integers(0, 9999))
def test_every_status_but_success_has_a_code(status: int) -> None:
    """2xx has no code, 5xx has the code of a server's error or a timeout, and all others have some code."""
    code = image_status_code(status)
    assert (code is None) == (status // 100 == 2)
    assert status // 100 != 5 or code in {ErrorCode.SERVER_ERROR, ErrorCode.TIMEOUT}


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        (" 120 ", 120.0),
        ("301", 300.0),
        ("9" * 5000, 300.0),
        ("-1", None),
        ("1.5", None),
        ("", None),
        ("soon", None),
        ("٣", None),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90.0),
        (format_datetime(NOW + timedelta(days=90), usegmt=True), 300.0),
        (format_datetime(NOW - timedelta(seconds=90), usegmt=True), None),
        ("Wed, 02 Jan 2030 03:04:15 -0000", 10.0),
        ("Wed, 99 Jan 2030 03:04:15 GMT", None),
        (None, None),
    ],
)
def test_reads_a_pause(value: str | None, seconds: float | None) -> None:
    """Seconds, or a date by the server's own clock, give a pause of at most 300 s; all else gives None."""
    assert retry_after_s(value, format_datetime(NOW, usegmt=True), NOW + timedelta(hours=1)) == seconds


@pytest.mark.parametrize("date", [None, "", "yesterday"])
def test_without_the_servers_clock_ours_decides(date: str | None) -> None:
    """A date is compared with the time at which the answer came, if the server sends no valid time."""
    later, earlier = (format_datetime(NOW + timedelta(seconds=s), usegmt=True) for s in (90, -90))
    assert (retry_after_s(later, date, NOW), retry_after_s(earlier, date, NOW)) == (90.0, None)


@given(one_of(none(), text()), one_of(none(), text()))
def test_takes_any_header(value: str | None, date: str | None) -> None:
    """Any headers give a pause from 0 to 300 s or None, and never an exception."""
    pause_s = retry_after_s(value, date, NOW)
    assert pause_s is None or 0 <= pause_s <= 300
