"""The service's codes and statuses have the codes and fates of the contract's table."""

import pytest

from facebeam.schemas.errors import ErrorCode, Fate
from facebeam.transforms.api.service_codes import (
    find_upstream_code,
    service_error_code,
    upstream_error_code,
)
from facebeam.transforms.http.errors import CLASSES
from facebeam.transforms.http.status import IMAGE_STATUSES, SERVICE_STATUSES, service_status_code


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (
            "token_mismatched api_not_implemented no_token disabled invalid_token token_expired",
            Fate.OPEN_CIRCUIT,
        ),
        ("authorization_missing authentication_failed used_up no_api", Fate.OPEN_CIRCUIT),
        ("bad_request forbidden request_too_large", Fate.REJECT),
        ("too_many_requests busy timeout api_error", Fate.RETRY),
    ],
)
def test_the_services_codes_have_the_contracts_fates(names: str, expected: Fate) -> None:
    """Each code of the service keeps its name and has the contract's fate."""
    for name in names.split():
        code = service_error_code(name)
        assert (code, code and code.fate()) == (name, expected)


@pytest.mark.parametrize("raw_code", [None, "", "brand_new", "invalid_manifest_row", "BUSY"])
def test_other_codes_are_unknown(raw_code: str | None) -> None:
    """Another code gives None, even if it is one that only facebeam uses."""
    assert service_error_code(raw_code) is None


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ((408, 409, 429, 500, 502, 503, 504, 599), Fate.RETRY),
        ((400, 403, 404, 405, 413, 415, 418, 422, 451), Fate.REJECT),
        ((301, 302, 304, 307, 308, 100, 200), Fate.REJECT),
        ((401, 402), Fate.OPEN_CIRCUIT),
    ],
)
def test_statuses_have_the_contracts_fates(statuses: tuple[int, ...], expected: Fate) -> None:
    """Each status has the contract's fate if no code decides."""
    assert {service_status_code(status).fate() for status in statuses} == {expected}


def test_a_429_asks_for_fewer_requests() -> None:
    """Status 429 gives `too_many_requests`, the code that slows the run down."""
    assert service_status_code(429) is ErrorCode.TOO_MANY_REQUESTS


@pytest.mark.parametrize("code", ErrorCode)
def test_each_code_is_recognised_by_what_the_other_side_says(code: ErrorCode) -> None:
    """Each name that a code claims for itself, of the service or of its upstream, is read as that code."""
    if code.about.is_services_own:
        assert service_error_code(code.value) is code
    for name in code.about.upstream:
        assert find_upstream_code(f"[SDKException] code:{name} message:x") == name
        assert upstream_error_code(name) is code
        assert isinstance(upstream_error_code(f"{name.partition('.')[0]}.BrandNew"), ErrorCode)


OUR_OWN = {
    *(ErrorCode.LOCAL_FILE_NOT_ALLOWED, ErrorCode.FORBIDDEN_ADDRESS, ErrorCode.FILE_UNREADABLE),
    *(ErrorCode.INTERNAL_ERROR, ErrorCode.WORKER_DIED),
    *(ErrorCode.BUDGET_EXHAUSTED, ErrorCode.WINDOW_CLOSED),
}
"""Codes of what this program finds by itself: nobody else says them."""


def test_a_code_that_nobody_says_is_our_own() -> None:
    """The other side says each code by a name, by a status or by an exception, unless the code is our own."""
    named = {code for code in ErrorCode if code.about.is_services_own or code.about.upstream}
    said = named | {*CLASSES} | {*IMAGE_STATUSES.values()} | {*SERVICE_STATUSES.values()}
    assert said == {*ErrorCode} - OUR_OWN
