"""Translate what a web server answers instead of an image: the status, and the pause it asks for."""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final

from facebeam.schemas.errors import ErrorCode

_MAX_RETRY_AFTER_S: Final = 300.0


def status_error_code(status: int) -> ErrorCode | None:
    """Give the error code of an HTTP status; a success has none.

    >>> status_error_code(204), status_error_code(503)
    (None, <ErrorCode.SERVER_ERROR: 'server_error'>)
    """
    match status:
        case HTTPStatus.NOT_FOUND | HTTPStatus.GONE:
            return ErrorCode.NOT_FOUND
        case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
            return ErrorCode.FORBIDDEN
        case HTTPStatus.REQUEST_TIMEOUT | HTTPStatus.GATEWAY_TIMEOUT:
            return ErrorCode.TIMEOUT
        case HTTPStatus.TOO_MANY_REQUESTS:
            return ErrorCode.TOO_MANY_REQUESTS
        case 301 | 302 | 303 | 307 | 308:  # a redirect that was not followed, for want of a Location
            return ErrorCode.TOO_MANY_REDIRECTS
        case _:
            return _class_error_code(status // 100)


def _class_error_code(status_class: int) -> ErrorCode | None:
    match status_class:
        case 2:
            return None
        case 5:
            return ErrorCode.SERVER_ERROR
        case _:
            return ErrorCode.HTTP_ERROR


def retry_after_s(value: str | None, date: str | None) -> float | None:
    """Read a Retry-After header: seconds, or an HTTP date counted from the answer's own Date header.

    At most 300 s; None for what is absent, past or no time at all (RFC 9110, section 10.2.3).

    >>> retry_after_s("7", None), retry_after_s("-7", None), retry_after_s("soon", None)
    (7.0, None, None)
    """
    if value is None:
        return None
    seconds = float(value) if re.fullmatch("[0-9]+", value.strip()) else _seconds_between(date, value)
    return None if seconds is None or seconds < 0 else min(seconds, _MAX_RETRY_AFTER_S)


def _seconds_between(start: str | None, end: str) -> float | None:
    started, ended = _instant(start or ""), _instant(end)
    return None if started is None or ended is None else (ended - started).total_seconds()


def _instant(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
