"""The codes of the service's upstream, which travel inside its messages.

`[TencentCloudSDKException] code:InvalidParameterValue.NoFaceInPhoto message:... requestId:...`
Source: the contract's table of upstream codes (Tencent Cloud IAI `AnalyzeFace`, 2020-03-03).
"""

import re
from typing import Final

from schemas.errors import ErrorCode

NO_FACE: Final = "InvalidParameterValue.NoFaceInPhoto"
"""An answer, not a failure; billed upstream."""

_CODE: Final = re.compile(
    r"(AuthFailure|FailedOperation|InternalError|InvalidParameterValue|InvalidParameter|LimitExceeded"
    r"|MissingParameter|RequestLimitExceeded|ResourceUnavailable|ResourcesSoldOut|UnsupportedOperation)"
    r"(\.[A-Za-z]+)?"
)
_BY_CODE: Final = {
    "FailedOperation.ImageDecodeFailed": ErrorCode.IMAGE_UNDECODABLE,
    "FailedOperation.ImageResolutionExceed": ErrorCode.IMAGE_TOO_LARGE,
    "FailedOperation.ImageSizeExceed": ErrorCode.IMAGE_TOO_LARGE,
    "FailedOperation.ImageResolutionTooSmall": ErrorCode.IMAGE_TOO_SMALL,
    "FailedOperation.FaceSizeTooSmall": ErrorCode.IMAGE_TOO_SMALL,
    "FailedOperation.ImageDownloadError": ErrorCode.UPSTREAM_DOWNLOAD_FAILED,
    "FailedOperation.ImageFacedetectFailed": ErrorCode.UPSTREAM_DETECTION_FAILED,
    "FailedOperation.RequestLimitExceeded": ErrorCode.TOO_MANY_REQUESTS,
    "InvalidParameterValue.ImageEmpty": ErrorCode.IMAGE_EMPTY,
}
_BY_GROUP: Final = {
    "AuthFailure": ErrorCode.UPSTREAM_ACCOUNT,
    "FailedOperation": ErrorCode.UPSTREAM_ERROR,  # RequestTimeout, ServerError, RpcFail, new ones
    "InternalError": ErrorCode.UPSTREAM_ERROR,
    "InvalidParameterValue": ErrorCode.UPSTREAM_REJECTED,
    "InvalidParameter": ErrorCode.UPSTREAM_REJECTED,
    "LimitExceeded": ErrorCode.TOO_MANY_REQUESTS,
    "MissingParameter": ErrorCode.UPSTREAM_REJECTED,
    "RequestLimitExceeded": ErrorCode.TOO_MANY_REQUESTS,
    "ResourceUnavailable": ErrorCode.UPSTREAM_ACCOUNT,
    "ResourcesSoldOut": ErrorCode.UPSTREAM_ACCOUNT,
    "UnsupportedOperation": ErrorCode.UPSTREAM_ACCOUNT,
}


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
    return _BY_CODE.get(upstream_code) or _BY_GROUP[upstream_code.partition(".")[0]]
