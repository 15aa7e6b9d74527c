"""From a request's body to the question in it: bounded, parsed, checked."""

from asyncio import timeout
from typing import Final

from pydantic import ValidationError
from starlette.requests import Request

from runners.service.contract_models import FACE_MODEL_VERSION, FaceAnalyzeRequest
from runners.service.upstream_message import MODEL_VERSION_ILLEGAL
from schemas.errors import ErrorCode
from schemas.image_url import check_image_url
from schemas.values import Failure, FailureError, ImageRequest
from transforms.image_fetch.fetch_image import url_scheme

MAX_BODY_S: Final = 10
MAX_BODY_BYTES: Final = 64 * 1024
"""Eight times the longest URL: escapes may make six bytes of one character."""


async def read_request(request: Request) -> ImageRequest:
    """Read what is asked for.

    Raises:
        FailureError: `request_too_large`, `bad_request`, and what the service's upstream refuses: another
            model version, a URL that is none.
    """
    return image_request(await _body(request))


def image_request(body: bytes) -> ImageRequest:
    """Parse and check a body; raises FailureError as `read_request` does."""
    try:
        asked = FaceAnalyzeRequest.model_validate_json(body)
    except ValidationError as error:
        raise _refused(ErrorCode.BAD_REQUEST, _first_of(error)) from None
    if asked.face_model_version != FACE_MODEL_VERSION:
        message = f"face_model_version is not {FACE_MODEL_VERSION!r}"
        failure = Failure(
            ErrorCode.UPSTREAM_REJECTED, message, stage="annotate", upstream_code=MODEL_VERSION_ILLEGAL
        )
        raise FailureError(failure)
    if wrong := _check_url(asked.image_url):
        raise FailureError(Failure(ErrorCode.INVALID_MANIFEST_ROW, f"image_url {wrong}", stage="fetch"))
    return ImageRequest(asked.image_url, asked.mode, asked.need_rotate_detection)


async def _body(request: Request) -> bytes:
    """Read to the end, so that who sends too much can still read the answer; keep what is allowed."""
    body, size = bytearray(), 0
    try:
        async with timeout(MAX_BODY_S):
            async for chunk in request.stream():
                size += len(chunk)
                body += chunk if size <= MAX_BODY_BYTES else b""
    except TimeoutError:
        raise _refused(ErrorCode.BAD_REQUEST, f"the body did not come within {MAX_BODY_S} s") from None
    if size > MAX_BODY_BYTES:
        message = f"the body has {size} bytes, and at most {MAX_BODY_BYTES} are taken: send a URL, no image"
        raise _refused(ErrorCode.REQUEST_TOO_LARGE, message)
    return bytes(body)


def _check_url(url: str) -> str | None:
    if url_scheme(url) not in {"http", "https"}:
        return "has no http:// or https:// at its start: write the whole URL"
    return check_image_url(url)


def _first_of(error: ValidationError) -> str:
    """Name the first thing that is wrong, without the value: it may be long, and may be secret."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    where = ".".join(map(str, first["loc"])) or "the body"
    return f"{where}: {first['msg']}"


def _refused(code: ErrorCode, message: str) -> FailureError:
    return FailureError(Failure(code, message, stage="serve"))
