"""`POST /face/analyze`: who asks, how often, for what; then fetch the image and look at it."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse

from runners.service.accepted_tokens import AcceptedTokens
from runners.service.access_log import call_of
from runners.service.admission import RateCeiling, WaitingRoom
from runners.service.answer_body import answer_body
from runners.service.model_workers import ModelWorkers
from runners.service.read_request import read_request
from runners.service.refusal import STATUSES, Refusal, upstream_refusal
from schemas.values import Answer, ImageRequest
from transforms.api_client.upstream_codes import NO_FACE
from transforms.image_fetch.fetch_image import Fetch
from transforms.image_fetch.shown_url import shown_url


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

    async def annotate(self) -> Answer:
        """Wait for a turn, fetch the image and look at it; raises FailureError."""
        parts = self._parts
        async with parts.room.turn(urlsplit(self._asked.image_url).netloc):
            self.has_begun = True
            fetching = parts.fetchers.submit(parts.fetch, self._asked.image_url)
            return await parts.models.annotate(await asyncio.wrap_future(fetching), self._asked)


async def unless_hung_up(request: Request, work: _Work) -> Answer:
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


_ABANDONED: Final[set[asyncio.Task[Answer]]] = set()
"""Tasks that nobody waits for: a task without a reference may be collected in the middle."""


def _forget(task: asyncio.Task[Answer]) -> None:
    _ABANDONED.discard(task)
    if not task.cancelled():
        task.exception()  # looked at, so that nobody complains


async def _hang_up(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def refuse(request: Request, refusal: Refusal) -> JSONResponse:
    """Respond with an error, and have the log name it: by the upstream's code rather than `api_error`."""
    call_of(request).code = refusal.upstream or str(refusal.code)
    return JSONResponse(refusal.body, STATUSES[refusal.code], refusal.headers)
