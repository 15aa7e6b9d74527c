"""The service's codes and statuses as the contract's table has them."""

import pytest

from schemas.errors import ErrorCode, Fate, fate
from transforms.api_client.service_codes import error_code_of_status, service_error_code


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
    """Expect each by its own name."""
    for name in names.split():
        code = service_error_code(name)
        assert (code, code and fate(code)) == (name, expected)


@pytest.mark.parametrize("raw_code", [None, "", "brand_new", "invalid_manifest_row", "BUSY"])
def test_other_codes_are_unknown(raw_code: str | None) -> None:
    """Expect none, also for codes that only we say."""
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
    """Expect the fate of the status where no code decides."""
    assert {fate(error_code_of_status(status)) for status in statuses} == {expected}


def test_a_429_asks_for_fewer_requests() -> None:
    """Expect the code that slows the run down."""
    assert error_code_of_status(429) is ErrorCode.TOO_MANY_REQUESTS
