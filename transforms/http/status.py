"""Translate the HTTP status of a failure into an error code, and read how long the server asks to wait."""

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
"""Statuses that mean the same from an image's host and from the web API; the tables below add the others."""
IMAGE_STATUSES: Final[_Statuses] = _SAME | {
    HTTPStatus.UNAUTHORIZED: ErrorCode.FORBIDDEN,
    HTTPStatus.FORBIDDEN: ErrorCode.FORBIDDEN,
    HTTPStatus.NOT_FOUND: ErrorCode.NOT_FOUND,
    HTTPStatus.GONE: ErrorCode.NOT_FOUND,
    # only redirects without a Location: the others are followed
    **dict.fromkeys((301, 302, 303, 307, 308), ErrorCode.TOO_MANY_REDIRECTS),
}
"""Statuses from an image's host: they are about the image."""
SERVICE_STATUSES: Final[_Statuses] = _SAME | {
    HTTPStatus.UNAUTHORIZED: ErrorCode.AUTHENTICATION_FAILED,  # about the token (RFC 9110, section 15.5.2)
    HTTPStatus.PAYMENT_REQUIRED: ErrorCode.PAYMENT_REQUIRED,
    HTTPStatus.NOT_FOUND: ErrorCode.HTTP_ERROR,  # the service's address is wrong
    HTTPStatus.METHOD_NOT_ALLOWED: ErrorCode.HTTP_ERROR,
    HTTPStatus.CONFLICT: ErrorCode.API_ERROR,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: ErrorCode.REQUEST_TOO_LARGE,
    "3xx": ErrorCode.HTTP_ERROR,
}
"""Statuses from the web API, for a body without a code: they are about token, account and address."""


def image_status_code(status: int) -> ErrorCode | None:
    """Give the error code for a status from an image's host; None for a success.

    >>> image_status_code(204), image_status_code(401)
    (None, <ErrorCode.FORBIDDEN: 'forbidden'>)
    """
    is_success = status // 100 == HTTPStatus.OK // 100
    return None if is_success else _looked_up(IMAGE_STATUSES, status, ErrorCode.HTTP_ERROR)


def service_status_code(status: int) -> ErrorCode:
    """Give the error code for a status from the web API, for a failure whose body has no code.

    >>> service_status_code(401), service_status_code(418)
    (<ErrorCode.AUTHENTICATION_FAILED: 'authentication_failed'>, <ErrorCode.OTHER: 'other'>)
    """
    return _looked_up(SERVICE_STATUSES, status, ErrorCode.OTHER)


def _looked_up(statuses: _Statuses, status: int, unknown: ErrorCode) -> ErrorCode:
    return statuses.get(status) or statuses.get(f"{status // 100}xx") or unknown


def retry_after_s(value: str | None, date: str | None, now: datetime) -> float | None:
    """Read a Retry-After header: seconds, or an HTTP date, which is compared with the response's Date header.

    If there is no valid Date, the date is compared with `now`, the time in UTC at which the response was
    received (RFC 9110, section 6.6.1). The result is at most 300 s. None: the header is missing, in the past,
    or not valid (RFC 9110, section 10.2.3).

    >>> now = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
    >>> retry_after_s("7", None, now), retry_after_s("-7", None, now), retry_after_s("soon", None, now)
    (7.0, None, None)
    >>> retry_after_s("Wed, 02 Jan 2030 03:04:15 GMT", None, now)
    10.0
    """
    if value is None:
        return None
    seconds = float(value) if re.fullmatch("[0-9]+", value.strip()) else _seconds_until(value, date, now)
    return None if seconds is None or seconds < 0 else min(seconds, _MAX_RETRY_AFTER_S)


def _seconds_until(end: str, date: str | None, now: datetime) -> float | None:
    ended = _instant(end)
    return None if ended is None else (ended - (_instant(date or "") or now)).total_seconds()


def _instant(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
