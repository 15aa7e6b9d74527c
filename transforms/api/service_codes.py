"""Find the error code for a code of the service or of its upstream; `ErrorCode.about` lists those codes."""

import re
from typing import Final

from facebeam.schemas.errors import ErrorCode

_OWN: Final = {code.value: code for code in ErrorCode if code.about.is_services_own}


def service_error_code(raw_code: str | None) -> ErrorCode | None:
    """Look up a code that the service itself defines; None for any other text."""
    return _OWN.get(raw_code or "")


NO_FACE: Final = "InvalidParameterValue.NoFaceInPhoto"
"""The upstream's code for an image without a face: an answer, not a failure, and billed by the upstream."""

_CODES: Final = {name: code for code in ErrorCode for name in code.about.upstream}
"""The keys are whole upstream codes, and first parts of upstream codes."""
_GROUPS: Final = sorted({name.partition(".")[0] for name in _CODES}, key=len, reverse=True)  # longest first
_CODE: Final = re.compile(rf"({'|'.join(_GROUPS)})(\.[A-Za-z]+)?")


def find_upstream_code(text: str) -> str | None:
    """Give the first upstream code in a text; None if there is none.

    >>> find_upstream_code("code:FailedOperation.RpcFail message:try again")
    'FailedOperation.RpcFail'
    """
    found = _CODE.search(text)
    return found and found[0]


def upstream_error_code(upstream_code: str) -> ErrorCode:
    """Give the error code for an upstream code: by its full name, otherwise by the part before its dot.

    The second way also covers codes that the upstream adds later.

    >>> upstream_error_code("InvalidParameterValue.ImageEmpty"), upstream_error_code("AuthFailure.New")
    (<ErrorCode.IMAGE_EMPTY: 'image_empty'>, <ErrorCode.UPSTREAM_ACCOUNT: 'upstream_account'>)
    """
    return _CODES.get(upstream_code) or _CODES[upstream_code.partition(".")[0]]
