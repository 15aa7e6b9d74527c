"""The answer to a request that gets no faces: status, code and message, in the contract's shape."""

from http import HTTPStatus
from typing import Final, NamedTuple

from starlette.requests import Request
from starlette.responses import JSONResponse

from facebeam.runners.service.access_log import call_of
from facebeam.schemas.errors import ErrorCode, Fate
from facebeam.schemas.values import Failure

STATUSES: Final = {
    ErrorCode.BAD_REQUEST: HTTPStatus.BAD_REQUEST,
    ErrorCode.AUTHORIZATION_MISSING: HTTPStatus.UNAUTHORIZED,
    ErrorCode.INVALID_TOKEN: HTTPStatus.UNAUTHORIZED,
    ErrorCode.NO_API: HTTPStatus.NOT_FOUND,
    ErrorCode.API_NOT_IMPLEMENTED: HTTPStatus.METHOD_NOT_ALLOWED,
    ErrorCode.REQUEST_TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    ErrorCode.TOO_MANY_REQUESTS: HTTPStatus.TOO_MANY_REQUESTS,
    ErrorCode.BUSY: HTTPStatus.INTERNAL_SERVER_ERROR,
    ErrorCode.API_ERROR: HTTPStatus.INTERNAL_SERVER_ERROR,
}
"""The codes that this server answers with, each with its status in the contract."""

MODEL_VERSION_ILLEGAL: Final = "InvalidParameterValue.FaceModelVersionIllegal"
URL_ILLEGAL: Final = "InvalidParameterValue.UrlIllegal"
DOWNLOAD_FAILED: Final = "FailedOperation.ImageDownloadError"

_OF_THE_IMAGE: Final = {
    ErrorCode.IMAGE_EMPTY: "InvalidParameterValue.ImageEmpty",
    ErrorCode.IMAGE_TOO_LARGE: "FailedOperation.ImageSizeExceed",
    ErrorCode.IMAGE_TOO_SMALL: "FailedOperation.ImageResolutionTooSmall",
    ErrorCode.IMAGE_UNDECODABLE: "FailedOperation.ImageDecodeFailed",
}


def upstream_code(code: ErrorCode) -> str:
    """Give the upstream's code for a failure of the image or of its download.

    The upstream has two codes for an image that it could not download: one to retry, and one not to retry.

    >>> upstream_code(ErrorCode.TIMEOUT), upstream_code(ErrorCode.NOT_FOUND)
    ('FailedOperation.ImageDownloadError', 'InvalidParameterValue.UrlIllegal')
    """
    if code in _OF_THE_IMAGE:
        return _OF_THE_IMAGE[code]
    return DOWNLOAD_FAILED if code.fate() is Fate.RETRY else URL_ILLEGAL


def upstream_message(upstream: str, message: str, request_id: str) -> str:
    """Format a message as the service passes it on from its upstream.

    >>> upstream_message(DOWNLOAD_FAILED, "HTTP 503", "7")
    '[TencentCloudSDKException] code:FailedOperation.ImageDownloadError message:HTTP 503 requestId:7'
    """
    return f"[TencentCloudSDKException] code:{upstream} message:{message} requestId:{request_id}"


_LOOKS_AT_HOME: Final = "this server accepts such images if it is started with --allow-private-urls"


class Refusal(NamedTuple):
    """An error answer of the contract."""

    code: ErrorCode
    message: str
    trace_id: str
    retry_after_s: int | None = None
    upstream: str | None = None
    """The upstream's code in the message."""

    @property
    def body(self) -> dict[str, object]:
        """The JSON of the answer, in the form of the guide's example of an error."""
        error = {"code": str(self.code), "message": self.message}
        return {"success": False, "error": error, "trace_id": self.trace_id}

    @property
    def headers(self) -> dict[str, str]:
        """When to retry, and how to send a token (RFC 9110, sections 10.2.3 and 11.6.1)."""
        headers = {} if self.retry_after_s is None else {"Retry-After": str(self.retry_after_s)}
        unauthorized = STATUSES[self.code] is HTTPStatus.UNAUTHORIZED
        return headers | ({"WWW-Authenticate": "Bearer"} if unauthorized else {})


def refusal_of(failure: Failure, trace_id: str) -> Refusal:
    """Translate a failure: the server's own codes stay; an image's code goes into the text of `api_error`."""
    if failure.stage == "serve":
        retry_after_s = None if failure.retry_after_s is None else round(failure.retry_after_s)
        return Refusal(failure.code, failure.message, trace_id, retry_after_s)
    # The failure's own message would reveal to a caller which private address a name has.
    private = failure.code is ErrorCode.FORBIDDEN_ADDRESS
    message = f"{failure.code.meaning}; {_LOOKS_AT_HOME}" if private else failure.message
    return upstream_refusal(failure.upstream_code or upstream_code(failure.code), message, trace_id)


def upstream_refusal(upstream: str, message: str, trace_id: str) -> Refusal:
    """Give the error that the service answers with for an error of its upstream."""
    text = upstream_message(upstream, message, trace_id)
    return Refusal(ErrorCode.API_ERROR, text, trace_id, upstream=upstream)


def refuse(request: Request, refusal: Refusal) -> JSONResponse:
    """Respond with an error; the log names the upstream's code, if there is one, instead of `api_error`."""
    call_of(request).code = refusal.upstream or str(refusal.code)
    return JSONResponse(refusal.body, STATUSES[refusal.code], refusal.headers)
