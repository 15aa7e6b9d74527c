"""Make one failure of whatever the service says went wrong, in all the shapes in which it says so.

Bodies seen: `{"error": {"code", "message"}, "trace_id"}`, the same with `"success": false`, without trace id
or without message, flat `{"code", "detail"}`, `{"error": "text"}`, `{"detail"}`, `{"message"}`, none, HTML.
"""

from collections.abc import Mapping
from typing import Final

from schemas.errors import ErrorCode
from schemas.values import Failure
from transforms.api_client.foreign_text import kept_text
from transforms.api_client.reply import Reply
from transforms.api_client.service_codes import error_code_of_status, service_error_code
from transforms.api_client.strict_json import strict_json
from transforms.api_client.upstream_codes import find_upstream_code, upstream_error_code
from transforms.image_fetch.http_status import retry_after_s
from transforms.parse_answer import Json

_MAX_NAME_CHARACTERS: Final = 200
_RAW_BYTES: Final = 10_000
"""So much of a body without a message is looked at."""


def normalise_failure(reply: Reply) -> Failure:
    """Read a failure out of a reply; never raises. Code first, status second.

    An `api_error`, and a code that is not one of the service's, are looked through for an upstream code.
    Every reply counts as maybe billed.
    """
    body = _object(reply.body)
    raw_code, text = _raw_code(body), _message(body, reply.body)
    known = service_error_code(raw_code)
    upstream = None
    if known in {None, ErrorCode.API_ERROR}:
        upstream = find_upstream_code(f"{raw_code} {text}")
    code = (upstream and upstream_error_code(upstream)) or known or error_code_of_status(reply.status)
    return Failure(
        code,
        kept_text(f"HTTP {reply.status}: {text or _without_words(reply)}"),
        stage="annotate",
        raw_code=None if raw_code == code else raw_code or f"http_{reply.status}",
        upstream_code=upstream and upstream[:_MAX_NAME_CHARACTERS],
        http_status=reply.status,
        trace_id=trace_id_of(reply, body),
        maybe_billed=True,
        retry_after_s=retry_after_s(reply.headers.get("Retry-After"), reply.headers.get("Date")),
    )


def trace_id_of(reply: Reply, body: Mapping[str, Json]) -> str | None:
    """Find the name by which the service's support finds a call: in the body, else in the headers."""
    headers = reply.headers
    found = _text(body.get("trace_id")) or headers.get("x-trace-id") or headers.get("x-request-id")
    return kept_text(found, _MAX_NAME_CHARACTERS) if found else None


def _object(body: bytes) -> dict[str, Json]:
    try:
        found = strict_json(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _raw_code(body: Mapping[str, Json]) -> str | None:
    error = body.get("error")
    found = (isinstance(error, dict) and _text(error.get("code"))) or _text(body.get("code"))
    return kept_text(found, _MAX_NAME_CHARACTERS) if found else None


def _message(body: Mapping[str, Json], raw: bytes) -> str:
    error = body.get("error")
    told = error.get("message") if isinstance(error, dict) else error
    found = (_text(candidate) for candidate in (told, body.get("detail"), body.get("message")))
    return next(filter(None, found), None) or raw[:_RAW_BYTES].decode("utf-8", "replace")


def _without_words(reply: Reply) -> str:
    location = reply.headers.get("Location")
    return f"redirects to {location}; correct --base-url" if location else "no body"


def _text(value: Json) -> str | None:
    """Take a name or message that is a text or a number; a list of details is left to the raw body."""
    return str(value) if isinstance(value, str | int | float) else None
