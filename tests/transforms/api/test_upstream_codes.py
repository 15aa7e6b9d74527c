"""The upstream's codes have the error codes of the contract's table."""

import pytest

from facebeam.schemas.errors import ErrorCode
from facebeam.transforms.api.service_codes import find_upstream_code, upstream_error_code


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("[TencentCloudSDKException] code:FailedOperation.RpcFail message:x", "FailedOperation.RpcFail"),
        ("code:InvalidParameterValue.NoFaceInPhoto.", "InvalidParameterValue.NoFaceInPhoto"),
        ("code:RequestLimitExceeded message:LimitExceeded", "RequestLimitExceeded"),
        ("InvalidParameter", "InvalidParameter"),
        ("invalidparameter", None),
        ("", None),
    ],
)
def test_finds_the_first_code(text: str, found: str | None) -> None:
    """`find_upstream_code` gives group and name of a text's first upstream code, or None without one."""
    assert find_upstream_code(text) == found


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("FailedOperation.ImageDownloadError", ErrorCode.UPSTREAM_DOWNLOAD_FAILED),
        ("FailedOperation.ImageFacedetectFailed", ErrorCode.UPSTREAM_DETECTION_FAILED),
        ("FailedOperation.RpcFail", ErrorCode.UPSTREAM_ERROR),
        ("FailedOperation.UnKnowError", ErrorCode.UPSTREAM_ERROR),
        ("FailedOperation.ServerError", ErrorCode.UPSTREAM_ERROR),
        ("FailedOperation.RequestLimitExceeded", ErrorCode.TOO_MANY_REQUESTS),
        ("RequestLimitExceeded.IPLimitExceeded", ErrorCode.TOO_MANY_REQUESTS),
        ("InvalidParameterValue.New", ErrorCode.UPSTREAM_REJECTED),
        ("MissingParameter", ErrorCode.UPSTREAM_REJECTED),
        ("AuthFailure.TokenFailure", ErrorCode.UPSTREAM_ACCOUNT),
        ("ResourcesSoldOut.ChargeStatusException", ErrorCode.UPSTREAM_ACCOUNT),
    ],
)
def test_a_code_is_read_by_its_name_or_its_group(code: str, expected: ErrorCode) -> None:
    """A known name has its own meaning, and a new name has the meaning of its group."""
    assert upstream_error_code(code) is expected
