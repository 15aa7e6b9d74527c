"""Which bodies are valid requests, and how the others are refused."""

import json

import pytest

from facebeam.runners.service.face_analyze import image_request
from facebeam.schemas.errors import ErrorCode
from facebeam.schemas.values import Failure, FailureError, ImageRequest

URL = "https://example.com/a.jpg"


def failure_of(body: bytes) -> Failure:
    """Read a body that must be refused; give its failure."""
    with pytest.raises(FailureError) as caught:
        image_request(body)
    return caught.value.failure


def test_the_defaults_are_the_contracts() -> None:
    """A request with only an image, as in the guide, has both switches at 0; unknown keys are ignored."""
    body = {"image_url": URL, "callback_url": "https://example.com/"}
    assert image_request(json.dumps(body).encode()) == ImageRequest(URL, 0, 0)


def test_a_full_request_is_read() -> None:
    """A request with all parameters is read with their values."""
    body = {"image_url": URL, "mode": 1, "face_model_version": "3.0", "need_rotate_detection": 1}
    assert image_request(json.dumps(body).encode()) == ImageRequest(URL, 1, 1)


@pytest.mark.parametrize("key", ["mode", "need_rotate_detection"])
@pytest.mark.parametrize("value", [2, -1, True, "1", 0.5, None, [], 10**400])
def test_a_switch_is_0_or_1(key: str, value: object) -> None:
    """Any value but 0 and 1 is a bad request that names the key, unless its number is too long to parse."""
    failure = failure_of(json.dumps({"image_url": URL, key: value}).encode())
    assert failure.code is ErrorCode.BAD_REQUEST
    assert key in failure.message or value == 10**400


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        b"null",
        b"{" * 100_000,
        b'{"image_url": NaN}',
        b'{"image_url": ""}',
        b'{"image_url": null}',
        b'{"image_url": "\\ud800"}',
        b'{"image_url": "https://a/b", "face_model_version": 3.0}',
    ],
)
def test_what_is_no_request_is_bad(body: bytes) -> None:
    """Bad JSON, JSON that is not an object, and wrong types are a `bad_request` with a short message."""
    failure = failure_of(body)
    assert failure.code is ErrorCode.BAD_REQUEST
    assert len(failure.message) < 200


@pytest.mark.parametrize(
    "url", ["a.jpg", "gs://b/c", "https:///a", "https://a/ b", "https://a/" + "b" * 9000]
)
def test_what_is_no_web_url_is_refused(url: str) -> None:
    """An image_url that is not a web URL is a failure of the image, without advice for another command."""
    failure = failure_of(json.dumps({"image_url": url}).encode())
    assert (failure.code, failure.stage) == (ErrorCode.INVALID_MANIFEST_ROW, "fetch")
    assert "--allow" not in failure.message
