"""The web application: its paths, its documentation page, and all errors in the contract's shape."""

from importlib.metadata import version
from traceback import format_exception
from typing import Any, Final

from fastapi import Security
from fastapi.security import HTTPBearer
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse

from facebeam.runners.logs import LOGGER
from facebeam.runners.service.access_log import AccessLog, call_of
from facebeam.runners.service.contract import ErrorResponse, FaceAnalyzeRequest, FaceAnalyzeResponse
from facebeam.runners.service.face_analyze import FaceAnalyze
from facebeam.runners.service.refusal import STATUSES, Refusal, refusal_of, refuse
from facebeam.schemas.errors import ErrorCode
from facebeam.schemas.values import FailureError

_ERRORS: Final[dict[int | str, dict[str, Any]]] = {
    int(status): {
        "model": ErrorResponse,
        "description": "; ".join(
            f"`{code}`: {code.meaning}" for code in STATUSES if STATUSES[code] is status
        ),
    }
    for status in STATUSES.values()
}
_BODY: Final = {
    "required": True,
    "content": {"application/json": {"schema": FaceAnalyzeRequest.model_json_schema()}},
}

_NO_ROUTE: Final = {404: ErrorCode.NO_API, 405: ErrorCode.API_NOT_IMPLEMENTED}
_HERE: Final = "this server has POST /face/analyze, GET /healthz, GET /docs and GET /openapi.json"


def web_app(face_analyze: FaceAnalyze) -> AccessLog:
    """Build the application: /face/analyze, /healthz, /docs and /openapi.json."""
    app = FastAPIOffline(
        title="facebeam", version=version("facebeam"), redoc_url=None, redirect_slashes=False
    )
    app.add_api_route(
        "/face/analyze",
        face_analyze.respond,
        methods=["POST"],
        summary="Find the 90 landmarks of each face",
        description="Errors of an image are an `api_error` whose message names the upstream's code.",
        response_model=None,
        responses={200: {"model": FaceAnalyzeResponse}, **_ERRORS},
        dependencies=[Security(HTTPBearer(auto_error=False))],
        openapi_extra={"requestBody": _BODY},
    )
    app.add_api_route("/healthz", _healthz, summary="Show that the server is running")
    app.exception_handler(FailureError)(_on_failure)
    app.exception_handler(HTTPException)(_on_no_route)
    app.exception_handler(ClientDisconnect)(_on_hang_up)
    app.exception_handler(Exception)(_on_defect)
    return AccessLog(app)


async def _healthz() -> dict[str, str]:
    return {"status": "ok"}


async def _on_failure(request: Request, error: FailureError) -> JSONResponse:
    return refuse(request, refusal_of(error.failure, call_of(request).trace_id))


async def _on_no_route(request: Request, error: HTTPException) -> JSONResponse:
    """Answer with codes that make a client stop: its base URL is wrong, so every request would fail."""
    code = _NO_ROUTE.get(error.status_code, ErrorCode.BAD_REQUEST)
    response = refuse(request, Refusal(code, _HERE, call_of(request).trace_id))
    response.headers.update(error.headers or {})  # such as Allow, the list of methods
    return response


async def _on_hang_up(request: Request, _error: ClientDisconnect) -> JSONResponse:
    """Make an answer for the log only: the caller has closed the connection."""
    return refuse(request, Refusal(ErrorCode.BAD_REQUEST, "the caller is gone", call_of(request).trace_id))


async def _on_defect(request: Request, error: Exception) -> JSONResponse:
    """Answer after an unexpected exception, and log its traceback for the operator of the server."""
    LOGGER.error("%s", "".join(format_exception(error)))
    message = "the server failed; see its log"
    return refuse(request, Refusal(ErrorCode.API_ERROR, message, call_of(request).trace_id))
