"""The service's own codes, and what a status means where it names none that we know.

Source: the contract's table of failures. The same code comes under several statuses, so the code goes first.
"""

from http import HTTPStatus
from typing import Final

from schemas.errors import ErrorCode

_OWN: Final = {code.value: code for code in ErrorCode if code.about.is_services_own}


def service_error_code(raw_code: str | None) -> ErrorCode | None:
    """Look up a code of the service's own; None where it is not one."""
    return _OWN.get(raw_code or "")


def error_code_of_status(status: int) -> ErrorCode:  # noqa: PLR0911 - one return a row of the table
    """Tell what an HTTP status means when nothing else does.

    A 401 is about the token and not about the image, whatever the code (RFC 9110, section 15.5.2).

    >>> error_code_of_status(503), error_code_of_status(418)
    (<ErrorCode.SERVER_ERROR: 'server_error'>, <ErrorCode.OTHER: 'other'>)
    """
    match status:
        case HTTPStatus.UNAUTHORIZED:
            return ErrorCode.AUTHENTICATION_FAILED
        case HTTPStatus.PAYMENT_REQUIRED:
            return ErrorCode.PAYMENT_REQUIRED
        case HTTPStatus.REQUEST_TIMEOUT | HTTPStatus.GATEWAY_TIMEOUT:
            return ErrorCode.TIMEOUT
        case HTTPStatus.NOT_FOUND | HTTPStatus.METHOD_NOT_ALLOWED:  # of the address that was asked
            return ErrorCode.HTTP_ERROR
        case HTTPStatus.CONFLICT:
            return ErrorCode.API_ERROR
        case HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            return ErrorCode.REQUEST_TOO_LARGE
        case HTTPStatus.TOO_MANY_REQUESTS:
            return ErrorCode.TOO_MANY_REQUESTS
        case _:
            return _BY_CLASS.get(status // 100, ErrorCode.OTHER)


_BY_CLASS: Final = {3: ErrorCode.HTTP_ERROR, 5: ErrorCode.SERVER_ERROR}
