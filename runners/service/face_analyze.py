"""From a request to the model's answer: its body bounded, parsed and checked, its image fetched."""

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
    """Read to the end, so that who sends too much can still read the answer; keep what is allowed.

    FastAPI's own reading comes before the token is looked at, keeps whatever is sent, and takes one content
    type.
    """
    body, size = bytearray(), 0
    try:
        async with timeout(MAX_BODY_S):
            async for chunk in request.stream():
                size += len(chunk)
                body += chunk if size <= MAX_BODY_BYTES else b""
    except TimeoutError:
        raise refused(ErrorCode.BAD_REQUEST, f"the body did not come within {MAX_BODY_S} s") from None
    if size > MAX_BODY_BYTES:
        message = f"the body has {size} bytes, and at most {MAX_BODY_BYTES} are taken: send a URL, no image"
        raise refused(ErrorCode.REQUEST_TOO_LARGE, message)
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


@dataclass(frozen=True)
class FaceAnalyze:
    """What an answer takes."""

    tokens: AcceptedTokens
    ceiling: RateCeiling
    room: WaitingRoom
    fetch: Fetch
    fetchers: ThreadPoolExecutor
    models: ModelWorkers

    async def respond(self, request: Request) -> JSONResponse:
        """Respond with faces, or as the upstream does where there are none; raises FailureError."""
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
    """The work for one request. Once begun it keeps its turn to the end: a download cannot be stopped."""

    def __init__(self, parts: FaceAnalyze, asked: ImageRequest) -> None:
        self._parts = parts
        self._asked = asked
        self.has_begun = False

    async def annotate(self) -> FoundFaces:
        """Wait for a turn, fetch the image and look at it; raises FailureError."""
        parts = self._parts
        async with parts.room.turn(urlsplit(self._asked.image_url).netloc):
            self.has_begun = True
            fetching = parts.fetchers.submit(parts.fetch, self._asked.image_url)
            return await parts.models.annotate(await asyncio.wrap_future(fetching), self._asked)


async def unless_hung_up(request: Request, work: _Work) -> FoundFaces:
    """Wait for an answer as long as there is a caller; raises ClientDisconnect when the caller is gone."""
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
"""Tasks that nobody waits for: a task without a reference may be collected in the middle."""


def _forget(task: asyncio.Task[FoundFaces]) -> None:
    _ABANDONED.discard(task)
    if not task.cancelled():
        task.exception()  # looked at, so that nobody complains


async def _hang_up(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
