"""What is a question and what is none."""

import json

import pytest

from runners.service.read_request import image_request
from schemas.errors import ErrorCode
from schemas.values import Failure, FailureError, ImageRequest

URL = "https://example.com/a.jpg"


def failure_of(body: bytes) -> Failure:
    """Read what must be refused."""
    with pytest.raises(FailureError) as caught:
        image_request(body)
    return caught.value.failure


def test_the_defaults_are_the_contracts() -> None:
    """The guide's request names the image alone; unknown keys change nothing."""
    body = {"image_url": URL, "callback_url": "https://example.com/"}
    assert image_request(json.dumps(body).encode()) == ImageRequest(URL, 0, 0)


def test_a_full_request_is_read() -> None:
    """All parameters."""
    body = {"image_url": URL, "mode": 1, "face_model_version": "3.0", "need_rotate_detection": 1}
    assert image_request(json.dumps(body).encode()) == ImageRequest(URL, 1, 1)


@pytest.mark.parametrize("key", ["mode", "need_rotate_detection"])
@pytest.mark.parametrize("value", [2, -1, True, "1", 0.5, None, [], 10**400])
def test_a_switch_is_0_or_1(key: str, value: object) -> None:
    """Anything else is a bad request that names the key."""
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
    """Bad JSON, no object, wrong types: `bad_request`, in a short message."""
    failure = failure_of(body)
    assert failure.code is ErrorCode.BAD_REQUEST
    assert len(failure.message) < 200


@pytest.mark.parametrize(
    "url", ["a.jpg", "gs://b/c", "https:///a", "https://a/ b", "https://a/" + "b" * 9000]
)
def test_what_is_no_web_url_is_refused(url: str) -> None:
    """As an image's failure, without advice for another command."""
    failure = failure_of(json.dumps({"image_url": url}).encode())
    assert (failure.code, failure.stage) == (ErrorCode.INVALID_MANIFEST_ROW, "fetch")
    assert "--allow" not in failure.message
