"""The tokens that the server accepts."""

from pathlib import Path

import pytest

from facebeam.runners.service.admission import AcceptedTokens, find_tokens
from facebeam.schemas.errors import ErrorCode, RunError
from facebeam.schemas.values import FailureError


def code_of(tokens: AcceptedTokens, authorization: str | None) -> ErrorCode | None:
    """Check an Authorization header; give the refusal's code, or None."""
    try:
        tokens.check(authorization)
    except FailureError as error:
        return error.failure.code
    return None


@pytest.mark.parametrize("header", ["Bearer second", "bearer second", "BEARER  second "])
def test_an_accepted_token_opens(header: str) -> None:
    """The server accepts each of its tokens, however the header spells the scheme."""
    assert code_of(find_tokens(None, {"FACEBEAM_SERVE_TOKENS": "first second"}), header) is None


@pytest.mark.parametrize(
    "header",
    ["", "second", "Bearer", "Bearer ", "Bearer secon", "Bearer second2", "Basic second", "Bearer \xff"],
)
def test_no_other_does(header: str) -> None:
    """A prefix, a longer token, another scheme or no token is `invalid_token`; no header has its own code."""
    tokens = find_tokens(None, {"FACEBEAM_SERVE_TOKENS": "first second"})
    assert code_of(tokens, header) is ErrorCode.INVALID_TOKEN
    assert code_of(tokens, None) is ErrorCode.AUTHORIZATION_MISSING


def test_without_tokens_any_one_opens() -> None:
    """A server without configured tokens accepts any token, but refuses an empty one."""
    assert code_of(find_tokens(None, {}), "Bearer anything") is None
    assert code_of(find_tokens(None, {}), "Bearer ") is ErrorCode.INVALID_TOKEN


def test_a_file_counts_before_the_environment(tmp_path: Path) -> None:
    """If there is a token file, only its tokens are accepted, not those of the environment."""
    (tmp_path / "tokens").write_text("from-file\n")
    tokens = find_tokens(str(tmp_path / "tokens"), {"FACEBEAM_SERVE_TOKENS": "from-environment"})
    assert code_of(tokens, "Bearer from-file") is None
    assert code_of(tokens, "Bearer from-environment") is ErrorCode.INVALID_TOKEN


@pytest.mark.parametrize("content", [b"", b" \n\n", b"t\xc3\xb6ken", b"\xff\xfe", b"a\x00b"])
def test_a_file_without_tokens_is_an_error(tmp_path: Path, content: bytes) -> None:
    """A token file that is empty, not ASCII or unprintable is an error that names it but not its content."""
    file = tmp_path / "tokens"
    file.write_bytes(content)
    with pytest.raises(RunError, match=str(file)) as caught:
        find_tokens(str(file), {})
    assert "ken" not in str(caught.value).replace("token", "")


def test_tokens_show_in_no_dump() -> None:
    """The repr of the accepted tokens does not contain a token's text."""
    assert "s3cret" not in repr(find_tokens(None, {"FACEBEAM_SERVE_TOKENS": "s3cret"}))
