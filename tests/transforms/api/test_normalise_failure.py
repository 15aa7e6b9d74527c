"""A failure of any shape becomes one value, and no reply raises an exception."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facebeam.schemas.errors import ErrorCode
from facebeam.schemas.values import Failure, FoundFaces
from facebeam.transforms.api.reply import Reply, normalise_failure, read_reply

UPSTREAM = "[TencentCloudSDKException] code:{} message:sorry requestId:1"


def reply(body: object, status: int = 500, headers: dict[str, str] | None = None) -> Reply:
    """Make a reply with a JSON body."""
    return Reply(status, headers or {}, json.dumps(body).encode())


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"error": {"code": "busy", "message": "later"}, "trace_id": "t"}, "later"),
        ({"success": False, "error": {"code": "busy", "message": "later"}}, "later"),
        ({"code": "busy", "detail": "later"}, "later"),
        ({"code": "busy", "message": "later"}, "later"),
        ({"error": {"code": "busy"}, "detail": "later"}, "later"),
        ({"error": {"code": "busy"}}, '{"error": {"code": "busy"}}'),
        ({"code": "busy", "error": "later"}, "later"),
        ({"code": "busy", "detail": [{"msg": "later"}]}, '{"code": "busy", "detail": [{"msg": "later"}]}'),
    ],
)
def test_reads_every_shape(body: object, message: str) -> None:
    """Code and message are found in each shape of body that the service uses."""
    failure = normalise_failure(reply(body))
    assert (failure.code, failure.message) == (ErrorCode.BUSY, f"HTTP 500: {message}")


@pytest.mark.parametrize(("value", "seconds"), [("17", 17.0), ("Fri, 01 Jan 2100 00:00:00 GMT", 300.0)])
def test_hands_on_how_long_the_service_wants_a_pause(value: str, seconds: float) -> None:
    """The failure has the service's Retry-After in seconds; a date needs no Date header beside it."""
    failure = normalise_failure(reply({"code": "busy"}, headers={"Retry-After": value}))
    assert failure.retry_after_s == seconds


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "no body"),
        (b"<html>\n <b>Bad</b>", "<html> <b>Bad</b>"),
        (b"\xff\xfe", "\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}"),
        (b"null", "null"),
        (b"[" * 100_000, "[" * 490),
        (b'{"error": "later"}', "later"),
        (b'{"detail": "later"}', "later"),
        (b'{"message": "later"}', "later"),
    ],
)
def test_without_a_code_the_status_decides(body: bytes, message: str) -> None:
    """Without a code in the body, the status gives the code, and `http_<status>` is the raw code.

    The message is the body's text, up to a maximum length.
    """
    failure = normalise_failure(Reply(502, {}, body))
    assert (failure.code, failure.raw_code) == (ErrorCode.SERVER_ERROR, "http_502")
    assert failure.message == f"HTTP 502: {message}"


def test_a_redirect_without_a_body_says_where_it_leads() -> None:
    """The message says what to correct, and names the target of the redirect without its query."""
    failure = normalise_failure(Reply(302, {"Location": "https://login.example.com/?next=abc"}, b""))
    assert failure.message.startswith(
        "HTTP 302: correct --base-url, which redirects to https://login.example.com/"
    )
    assert "abc" not in failure.message


@pytest.mark.parametrize("status", [200, 400, 401, 403, 429, 500, 504])
def test_the_code_goes_before_the_status(status: int) -> None:
    """A code in the body gives the same error code under any status."""
    failure = normalise_failure(reply({"error": {"code": "token_mismatched"}}, status))
    assert (failure.code, failure.raw_code) == (ErrorCode.TOKEN_MISMATCHED, None)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (
            {"error": {"code": "api_error", "message": UPSTREAM.format("InternalError")}},
            ErrorCode.UPSTREAM_ERROR,
        ),
        ({"error": UPSTREAM.format("FailedOperation.ImageDecodeFailed")}, ErrorCode.IMAGE_UNDECODABLE),
        ({"error": {"code": "FailedOperation.ImageDecodeFailed"}}, ErrorCode.IMAGE_UNDECODABLE),
        ({"error": {"code": "busy", "message": UPSTREAM.format("InternalError")}}, ErrorCode.BUSY),
    ],
)
def test_upstream_code_is_looked_for_where_the_service_has_none(body: object, code: ErrorCode) -> None:
    """An upstream code counts in an `api_error` and beside an unknown code; other known codes win over it."""
    assert normalise_failure(reply(body)).code is code


def test_our_own_codes_are_not_the_services_to_say() -> None:
    """If the service sends our own code `budget_exhausted`, it is treated as an unknown code."""
    failure = normalise_failure(reply({"error": {"code": "budget_exhausted"}}, 400))
    assert (failure.code, failure.raw_code) == (ErrorCode.OTHER, "budget_exhausted")


@pytest.mark.parametrize(
    ("body", "headers", "trace_id"),
    [
        ({"trace_id": "a"}, {"x-trace-id": "b", "x-request-id": "c"}, "a"),
        ({}, {"x-trace-id": "b", "x-request-id": "c"}, "b"),
        ({"trace_id": None}, {"x-request-id": "c"}, "c"),
        ({"trace_id": {}}, {}, None),
    ],
)
def test_finds_the_trace_id(body: object, headers: dict[str, str], trace_id: str | None) -> None:
    """The trace id is the body's, else the headers', else None."""
    assert normalise_failure(reply(body, 500, headers)).trace_id == trace_id


def test_the_models_version_is_kept_fit_to_be_kept() -> None:
    """The stored version of the model is the service's, short and printable, else the requested one."""
    body = {"image_width": 1, "image_height": 1, "face_shape_set": []}
    named = read_reply(reply(body | {"face_model_version": "3\x00\ud800" * 100}, 200), "3.0")
    unnamed = read_reply(reply(body, 200), "3.0")
    assert isinstance(named, FoundFaces)
    assert isinstance(unnamed, FoundFaces)
    assert (len(named.face_model_version), named.face_model_version.isprintable()) == (64, True)
    assert unnamed.face_model_version == "3.0"


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(
            st.sampled_from(
                ["error", "code", "message", "detail", "success", "trace_id", "face_shape_set", "x"]
            ),
            inner,
        )
    ),
)


@given(
    body=st.binary() | json_values.map(lambda value: json.dumps(value).encode()),
    status=st.integers(100, 599),
    headers=st.dictionaries(st.sampled_from(["Retry-After", "Date", "Location", "x-trace-id"]), st.text()),
)
def test_never_raises(body: bytes, status: int, headers: dict[str, str]) -> None:
    """Any reply gives an answer or a failure, whose texts are short, printable and valid UTF-8."""
    result = read_reply(Reply(status, headers, body), "3.0")
    assert isinstance(result, FoundFaces | Failure)
    texts = [result.trace_id]
    if isinstance(result, Failure):
        texts += [result.message, result.raw_code, result.upstream_code]
        assert result.maybe_billed
    for text in filter(None, texts):
        assert len(text.encode()) <= 4 * 500
        assert text.isprintable()
