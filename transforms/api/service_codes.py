"""The codes of the service and of its upstream, and what a status means where no code is known."""

import re
from http import HTTPStatus
from typing import Final

from facebeam.schemas.errors import ErrorCode

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


NO_FACE: Final = "InvalidParameterValue.NoFaceInPhoto"
"""An answer, not a failure; billed upstream."""

_CODE: Final = re.compile(
    r"(AuthFailure|FailedOperation|InternalError|InvalidParameterValue|InvalidParameter|LimitExceeded"
    r"|MissingParameter|RequestLimitExceeded|ResourceUnavailable|ResourcesSoldOut|UnsupportedOperation)"
    r"(\.[A-Za-z]+)?"
)
_CODES: Final = {name: code for code in ErrorCode for name in code.about.upstream}
"""By whole names, and by their first parts."""


def find_upstream_code(text: str) -> str | None:
    """Give the first upstream code in a text.

    >>> find_upstream_code("code:FailedOperation.RpcFail message:try again")
    'FailedOperation.RpcFail'
    """
    found = _CODE.search(text)
    return found and found[0]


def upstream_error_code(upstream_code: str) -> ErrorCode:
    """Tell what an upstream code means: by its full name, else by its group, which a new code has too.

    >>> upstream_error_code("InvalidParameterValue.ImageEmpty"), upstream_error_code("AuthFailure.New")
    (<ErrorCode.IMAGE_EMPTY: 'image_empty'>, <ErrorCode.UPSTREAM_ACCOUNT: 'upstream_account'>)
    """
    return _CODES.get(upstream_code) or _CODES[upstream_code.partition(".")[0]]
