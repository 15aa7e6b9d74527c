"""Turn a reply of the service into the found faces or a failure, both with the call's trace id."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from json import JSONDecodeError
from typing import Final

from facebeam.schemas.errors import ErrorCode
from facebeam.schemas.values import Failure, FailureError, FoundFaces
from facebeam.transforms.api.parse_answer import Json, parse_answer, strict_json
from facebeam.transforms.api.service_codes import (
    NO_FACE,
    find_upstream_code,
    service_error_code,
    upstream_error_code,
)
from facebeam.transforms.http.shown_text import shown_text
from facebeam.transforms.http.status import retry_after_s, service_status_code


@dataclass(frozen=True, slots=True)
class Reply:
    """A complete response.

    Args:
        status: HTTP status.
        headers: name -> value; upper and lower case make no difference in names.
        body: the body, without its content encoding; empty if the body of an error could not be read.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def is_success(self) -> bool:
        """Whether the status is 2xx; the body may still report a failure."""
        return self.status // 100 == HTTPStatus.OK // 100


_MAX_NAME_CHARACTERS: Final = 200
_RAW_BYTES: Final = 10_000
"""If a body has no message, this many bytes of it are the message."""


def normalise_failure(reply: Reply) -> Failure:
    """Give the failure that a reply reports; never raises. The body's code decides, or else the status.

    If the code is `api_error` or unknown, an upstream code in the code or message decides instead. Every
    reply counts as maybe billed.
    """
    body, headers = _object(reply.body), reply.headers
    raw_code, text = _raw_code(body), _message(body, reply.body)
    known = service_error_code(raw_code)
    upstream = None
    if known in {None, ErrorCode.API_ERROR}:
        upstream = find_upstream_code(f"{raw_code} {text}")
    code = (upstream and upstream_error_code(upstream)) or known or service_status_code(reply.status)
    return Failure(
        code,
        shown_text(f"HTTP {reply.status}: {text or _without_words(reply)}"),
        stage="annotate",
        raw_code=None if raw_code == code else raw_code or f"http_{reply.status}",
        upstream_code=upstream and upstream[:_MAX_NAME_CHARACTERS],
        http_status=reply.status,
        trace_id=trace_id_of(reply, body),
        maybe_billed=True,
        retry_after_s=retry_after_s(headers.get("Retry-After"), headers.get("Date"), datetime.now(UTC)),
    )


def trace_id_of(reply: Reply, body: Mapping[str, Json]) -> str | None:
    """Find the id of a call that the service's support asks for: in the body, otherwise in the headers."""
    headers = reply.headers
    found = _text(body.get("trace_id")) or headers.get("x-trace-id") or headers.get("x-request-id")
    return shown_text(found, _MAX_NAME_CHARACTERS) if found else None


def _object(body: bytes) -> dict[str, Json]:
    try:
        found = strict_json(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _raw_code(body: Mapping[str, Json]) -> str | None:
    error = body.get("error")
    found = (isinstance(error, dict) and _text(error.get("code"))) or _text(body.get("code"))
    return shown_text(found, _MAX_NAME_CHARACTERS) if found else None


def _message(body: Mapping[str, Json], raw: bytes) -> str:
    error = body.get("error")
    told = error.get("message") if isinstance(error, dict) else error
    found = (_text(candidate) for candidate in (told, body.get("detail"), body.get("message")))
    return next(filter(None, found), None) or raw[:_RAW_BYTES].decode("utf-8", "replace")


def _without_words(reply: Reply) -> str:
    location = reply.headers.get("Location")
    return f"correct --base-url, which redirects to {location}" if location else "no body"


def _text(value: Json) -> str | None:
    """Give a text or number as text; None for other values, such as a list of details."""
    return str(value) if isinstance(value, str | int | float) else None


def read_reply(
    reply: Reply, face_model_version: str, latency_ms: float | None = None
) -> FoundFaces | Failure:
    """Decide by status and body whether a reply is an answer or a failure, and read it; never raises.

    Args:
        reply: the service's reply.
        face_model_version: the version that was asked for; used if the answer does not name a version.
        latency_ms: duration of the call in milliseconds.
    """
    if not reply.is_success:
        return _failure_or_no_face(reply, face_model_version, latency_ms)
    try:
        body = strict_json(reply.body)
    except (JSONDecodeError, UnicodeDecodeError) as error:  # a gateway's page, or a truncated answer
        return _unread(reply, ErrorCode.RESPONSE_TRUNCATED, {}, _not_json(error, reply.body))
    except ValueError as error:
        return _invalid(reply, {}, _not_json(error, reply.body))
    if isinstance(body, dict) and _tells_of_failure(body):
        return _failure_or_no_face(reply, face_model_version, latency_ms)
    return _answer(reply, body, face_model_version, latency_ms)


def _tells_of_failure(body: Mapping[str, Json]) -> bool:
    is_bare_code = "code" in body and "face_shape_set" not in body
    return bool(body.get("error")) or body.get("success") is False or is_bare_code


def _failure_or_no_face(
    reply: Reply, face_model_version: str, latency_ms: float | None
) -> FoundFaces | Failure:
    failure = normalise_failure(reply)
    if failure.upstream_code != NO_FACE:
        return failure
    return FoundFaces(
        faces=(),
        image_width=None,
        image_height=None,
        face_model_version=face_model_version,
        trace_id=failure.trace_id,
        latency_ms=latency_ms,
    )


def _answer(
    reply: Reply, body: Json, face_model_version: str, latency_ms: float | None
) -> FoundFaces | Failure:
    fields = body if isinstance(body, dict) else {}
    try:
        return parse_answer(body, face_model_version, trace_id_of(reply, fields), latency_ms)
    except FailureError as error:
        return _invalid(reply, fields, error.failure.message)


def _not_json(error: ValueError, body: bytes) -> str:
    return f"the body is not JSON: {error}; it begins with {body[:80]!r}"


def _invalid(reply: Reply, fields: Mapping[str, Json], detail: str) -> Failure:
    return _unread(reply, ErrorCode.INVALID_RESPONSE, fields, detail)


def _unread(reply: Reply, code: ErrorCode, fields: Mapping[str, Json], detail: str) -> Failure:
    return Failure(
        code,
        shown_text(f"HTTP {reply.status}: {detail} ({code.meaning})"),
        stage="annotate",
        http_status=reply.status,
        trace_id=trace_id_of(reply, fields),
        maybe_billed=True,
    )
