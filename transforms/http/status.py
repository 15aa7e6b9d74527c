"""Translate the status of an answer that is none, and the pause that it asks for."""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final

from facebeam.schemas.errors import ErrorCode

_MAX_RETRY_AFTER_S: Final = 300.0
_Statuses = dict[int | str, ErrorCode]
_SAME: Final[_Statuses] = {
    HTTPStatus.REQUEST_TIMEOUT: ErrorCode.TIMEOUT,
    HTTPStatus.GATEWAY_TIMEOUT: ErrorCode.TIMEOUT,
    HTTPStatus.TOO_MANY_REQUESTS: ErrorCode.TOO_MANY_REQUESTS,
    "5xx": ErrorCode.SERVER_ERROR,
}
"""What a status means, whoever sends it. The two tables below show where the two sides differ."""
IMAGE_STATUSES: Final[_Statuses] = _SAME | {
    HTTPStatus.UNAUTHORIZED: ErrorCode.FORBIDDEN,
    HTTPStatus.FORBIDDEN: ErrorCode.FORBIDDEN,
    HTTPStatus.NOT_FOUND: ErrorCode.NOT_FOUND,
    HTTPStatus.GONE: ErrorCode.NOT_FOUND,
    # redirects that could not be followed: they have no Location
    **dict.fromkeys((301, 302, 303, 307, 308), ErrorCode.TOO_MANY_REDIRECTS),
}
"""The statuses of an image's host: they speak of the image."""
SERVICE_STATUSES: Final[_Statuses] = _SAME | {
    HTTPStatus.UNAUTHORIZED: ErrorCode.AUTHENTICATION_FAILED,  # the token (RFC 9110, section 15.5.2)
    HTTPStatus.PAYMENT_REQUIRED: ErrorCode.PAYMENT_REQUIRED,
    HTTPStatus.NOT_FOUND: ErrorCode.HTTP_ERROR,  # the address of the service
    HTTPStatus.METHOD_NOT_ALLOWED: ErrorCode.HTTP_ERROR,
    HTTPStatus.CONFLICT: ErrorCode.API_ERROR,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: ErrorCode.REQUEST_TOO_LARGE,
    "3xx": ErrorCode.HTTP_ERROR,
}
"""The statuses of the web API, where its body names no code: they speak of token, account and address."""


def image_status_code(status: int) -> ErrorCode | None:
    """Give the error code of a status that an image's host sends; a success has none.

    >>> image_status_code(204), image_status_code(401)
    (None, <ErrorCode.FORBIDDEN: 'forbidden'>)
    """
    is_success = status // 100 == HTTPStatus.OK // 100
    return None if is_success else _looked_up(IMAGE_STATUSES, status, ErrorCode.HTTP_ERROR)


def service_status_code(status: int) -> ErrorCode:
    """Give the error code of a status that the web API sends, for a failure whose body names no code.

    >>> service_status_code(401), service_status_code(418)
    (<ErrorCode.AUTHENTICATION_FAILED: 'authentication_failed'>, <ErrorCode.OTHER: 'other'>)
    """
    return _looked_up(SERVICE_STATUSES, status, ErrorCode.OTHER)


def _looked_up(statuses: _Statuses, status: int, unknown: ErrorCode) -> ErrorCode:
    return statuses.get(status) or statuses.get(f"{status // 100}xx") or unknown


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
