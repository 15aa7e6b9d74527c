"""`POST /face/analyze`: who asks, how often, for what; then fetch the image and look at it."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from starlette.requests import Request
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
        async with self.room.admitted():
            answer = await self._annotate(asked)
        call.faces = len(answer.faces)
        if not answer.faces:
            no_face = upstream_refusal(NO_FACE, "there is no face in the image", call.trace_id)
            return refuse(request, no_face)
        return JSONResponse(answer_body(answer))

    async def _annotate(self, asked: ImageRequest) -> Answer:
        fetching = self.fetchers.submit(self.fetch, asked.image_url)
        return await self.models.annotate(await asyncio.wrap_future(fetching), asked)


def refuse(request: Request, refusal: Refusal) -> JSONResponse:
    """Respond with an error, and have the log name it: by the upstream's code rather than `api_error`."""
    call_of(request).code = refusal.upstream or str(refusal.code)
    return JSONResponse(refusal.body, STATUSES[refusal.code], refusal.headers)
