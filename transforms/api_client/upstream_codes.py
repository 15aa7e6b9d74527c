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
