"""The codes of the service and of its upstream, found by what `ErrorCode.about` says of them."""

import re
from typing import Final

from facebeam.schemas.errors import ErrorCode

_OWN: Final = {code.value: code for code in ErrorCode if code.about.is_services_own}


def service_error_code(raw_code: str | None) -> ErrorCode | None:
    """Look up a code of the service's own; None where it is not one."""
    return _OWN.get(raw_code or "")


NO_FACE: Final = "InvalidParameterValue.NoFaceInPhoto"
"""An answer, not a failure; billed upstream."""

_CODES: Final = {name: code for code in ErrorCode for name in code.about.upstream}
"""By whole names, and by their first parts."""
_GROUPS: Final = sorted({name.partition(".")[0] for name in _CODES}, key=len, reverse=True)  # longest first
_CODE: Final = re.compile(rf"({'|'.join(_GROUPS)})(\.[A-Za-z]+)?")


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
