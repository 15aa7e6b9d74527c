"""The server sends a failure in the contract's shape, and the client reads the same fate from it."""

import pytest

from facebeam.runners.service.refusal import STATUSES, refusal_of
from facebeam.schemas.errors import ErrorCode, Fate
from facebeam.schemas.values import Failure
from facebeam.transforms.api.service_codes import find_upstream_code, upstream_error_code

CURED = [code for code in ErrorCode if code.about.cure]
OF_AN_IMAGE = [*CURED, ErrorCode.IMAGE_EMPTY, ErrorCode.IMAGE_UNDECODABLE, ErrorCode.IMAGE_TOO_SMALL]


@pytest.mark.parametrize("code", OF_AN_IMAGE)
def test_the_client_reads_the_same_fate(code: ErrorCode) -> None:
    """The client retries exactly what the server would retry, even if the message mentions other codes."""
    failure = Failure(code, "http://host/InternalError/RequestLimitExceeded.jpg: it failed", stage="fetch")
    refusal = refusal_of(failure, "a-trace-id")
    assert refusal.code is ErrorCode.API_ERROR
    upstream = find_upstream_code(refusal.message)
    assert upstream is not None
    assert upstream_error_code(upstream).fate() is code.fate()


@pytest.mark.parametrize("code", [code for code in OF_AN_IMAGE if code.startswith("image_")])
def test_the_client_reads_the_same_code_of_an_image(code: ErrorCode) -> None:
    """The client reads the same code for an empty, too large, too small or undecodable image."""
    upstream = find_upstream_code(refusal_of(Failure(code, "", stage="decode"), "").message)
    assert upstream is not None
    assert upstream_error_code(upstream) is code


def test_an_image_never_stops_a_client() -> None:
    """No failure of an image has the fate of an account failure, which stops the client."""
    assert all(code.fate() is not Fate.OPEN_CIRCUIT for code in OF_AN_IMAGE)


def test_the_servers_own_codes_stay() -> None:
    """The server's own code stays; the body has the trace id and the headers have the pause."""
    failure = Failure(ErrorCode.TOO_MANY_REQUESTS, "later", stage="serve", retry_after_s=1.0)
    refusal = refusal_of(failure, "a-trace-id")
    error = {"code": "too_many_requests", "message": "later"}
    assert refusal.body == {"success": False, "error": error, "trace_id": "a-trace-id"}
    assert refusal.headers == {"Retry-After": "1"}
    assert STATUSES[refusal.code] == 429
