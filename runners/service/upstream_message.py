"""Say why an image failed as the service does: by its upstream's code inside the message of an `api_error`.

The contract's table of upstream codes read backwards: a client that scans the message comes to the same fate
as a run that met the failure itself.
"""

from typing import Final

from schemas.errors import ErrorCode, Fate

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
    """Give the upstream's code for a failure of the image, or of reaching it.

    The upstream has two for an image that it did not get: one that may be tried again, one that may not.

    >>> upstream_code(ErrorCode.TIMEOUT), upstream_code(ErrorCode.NOT_FOUND)
    ('FailedOperation.ImageDownloadError', 'InvalidParameterValue.UrlIllegal')
    """
    if code in _OF_THE_IMAGE:
        return _OF_THE_IMAGE[code]
    return DOWNLOAD_FAILED if code.fate() is Fate.RETRY else URL_ILLEGAL


def upstream_message(upstream: str, message: str, request_id: str) -> str:
    """Write a message as the service passes it on.

    >>> upstream_message(DOWNLOAD_FAILED, "HTTP 503", "7")
    '[TencentCloudSDKException] code:FailedOperation.ImageDownloadError message:HTTP 503 requestId:7'
    """
    return f"[TencentCloudSDKException] code:{upstream} message:{message} requestId:{request_id}"
