"""Answer a request: read and check its body, fetch its image, and find the faces."""

import asyncio
from asyncio import timeout
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from pydantic import ValidationError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse

from facebeam.runners.service.access_log import call_of
from facebeam.runners.service.admission import AcceptedTokens, RateCeiling, WaitingRoom, refused
from facebeam.runners.service.contract import (
    FACE_MODEL_VERSION,
    FaceAnalyzeRequest,
    answer_body,
)
from facebeam.runners.service.model_workers import ModelWorkers
from facebeam.runners.service.refusal import MODEL_VERSION_ILLEGAL, refuse, upstream_refusal
from facebeam.schemas.errors import ErrorCode
from facebeam.schemas.image_url import check_image_url
from facebeam.schemas.values import Failure, FailureError, FoundFaces, ImageRequest
from facebeam.transforms.api.service_codes import NO_FACE
from facebeam.transforms.http.shown_text import shown_url
from facebeam.transforms.images.fetch_image import Fetch, url_scheme

MAX_BODY_S: Final = 10
MAX_BODY_BYTES: Final = 64 * 1024
"""Eight times the longest URL: JSON may escape one character as six bytes."""


async def read_request(request: Request) -> ImageRequest:
    """Read and check the body of a request.

    Raises:
        FailureError: `request_too_large`, `bad_request`, or what the service's upstream refuses: another
            model version, or an image_url that is not a URL.
    """
    return image_request(await _body(request))


def image_request(body: bytes) -> ImageRequest:
    """Parse and check a body; raises FailureError as `read_request` does."""
    try:
        asked = FaceAnalyzeRequest.model_validate_json(body)
    except ValidationError as error:
        raise refused(ErrorCode.BAD_REQUEST, _first_of(error)) from None
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
    """Read a body to its end, so that a caller who sends too much can still read the answer.

    Only `MAX_BODY_BYTES` of it are held in memory. FastAPI would read the body before the token is checked,
    hold all of it, and accept only one content type.
    """
    body, size = bytearray(), 0
    try:
        async with timeout(MAX_BODY_S):
            async for chunk in request.stream():
                size += len(chunk)
                body += chunk if size <= MAX_BODY_BYTES else b""
    except TimeoutError:
        raise refused(ErrorCode.BAD_REQUEST, f"the body did not arrive within {MAX_BODY_S} s") from None
    if size > MAX_BODY_BYTES:
        message = f"the body has {size} bytes, and the limit is {MAX_BODY_BYTES}: send a URL, not an image"
        raise refused(ErrorCode.REQUEST_TOO_LARGE, message)
    return bytes(body)


def _check_url(url: str) -> str | None:
    if url_scheme(url) not in {"http", "https"}:
        return "has no http:// or https:// at its start: write the whole URL"
    return check_image_url(url)


def _first_of(error: ValidationError) -> str:
    """Describe the first error, without the value, which may be long or secret."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    where = ".".join(map(str, first["loc"])) or "the body"
    return f"{where}: {first['msg']}"


@dataclass(frozen=True)
class FaceAnalyze:
    """Answers `POST /face/analyze` with the parts that it is made of."""

    tokens: AcceptedTokens
    ceiling: RateCeiling
    room: WaitingRoom
    fetch: Fetch
    fetchers: ThreadPoolExecutor
    models: ModelWorkers

    async def respond(self, request: Request) -> JSONResponse:
        """Respond with the faces, or, without a face, with the upstream's error; raises FailureError."""
        call = call_of(request)
        self.tokens.check(request.headers.get("authorization"))
        self.ceiling.admit()
        asked = await read_request(request)
        call.image = shown_url(asked.image_url)
        with self.room.place():
            answer = await unless_hung_up(request, _Work(self, asked))
        call.faces = len(answer.faces)
        if not answer.faces:
            no_face = upstream_refusal(NO_FACE, "there is no face in the image", call.trace_id)
            return refuse(request, no_face)
        return JSONResponse(answer_body(answer))


class _Work:
    """The work for one request. Once begun, it holds its turn to the end: a download cannot be stopped."""

    def __init__(self, parts: FaceAnalyze, asked: ImageRequest) -> None:
        self._parts = parts
        self._asked = asked
        self.has_begun = False

    async def annotate(self) -> FoundFaces:
        """Wait for a turn, fetch the image and find its faces; raises FailureError."""
        parts = self._parts
        async with parts.room.turn(urlsplit(self._asked.image_url).netloc):
            self.has_begun = True
            fetching = parts.fetchers.submit(parts.fetch, self._asked.image_url)
            return await parts.models.annotate(await asyncio.wrap_future(fetching), self._asked)


async def unless_hung_up(request: Request, work: _Work) -> FoundFaces:
    """Wait for an answer; raises ClientDisconnect if the caller closes the connection meanwhile."""
    annotating = asyncio.create_task(work.annotate())
    listening = asyncio.create_task(_hang_up(request))
    try:
        await asyncio.wait({annotating, listening}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        listening.cancel()
    if annotating.done():
        return annotating.result()
    if work.has_begun:
        _ABANDONED.add(annotating)
        annotating.add_done_callback(_forget)
    else:
        annotating.cancel()
    raise ClientDisconnect


_ABANDONED: Final[set[asyncio.Task[FoundFaces]]] = set()
"""References to tasks without a caller: Python may garbage-collect a running task without a reference."""


def _forget(task: asyncio.Task[FoundFaces]) -> None:
    _ABANDONED.discard(task)
    if not task.cancelled():
        task.exception()  # otherwise asyncio logs that the exception was never retrieved


async def _hang_up(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
