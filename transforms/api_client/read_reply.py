"""Read the service's reply: an answer with its trace id, or the failure that it is."""

from collections.abc import Mapping
from dataclasses import replace
from json import JSONDecodeError

from schemas.errors import ErrorCode
from schemas.values import Answer, Failure, FailureError
from transforms.api_client.foreign_text import kept_text
from transforms.api_client.normalise_failure import normalise_failure, trace_id_of
from transforms.api_client.reply import Reply
from transforms.api_client.strict_json import strict_json
from transforms.api_client.upstream_codes import NO_FACE
from transforms.parse_answer import Json, parse_answer


def read_reply(reply: Reply, face_model_version: str) -> Answer | Failure:
    """Tell an answer from a failure by status and body; never raises.

    Args:
        reply: what came back.
        face_model_version: what was asked for, for an answer that does not name it.
    """
    if not reply.is_success:
        return _failure_or_no_face(reply, face_model_version)
    try:
        body = strict_json(reply.body)
    except (JSONDecodeError, UnicodeDecodeError) as error:  # a page of a gateway's, or an answer cut short
        return _unread(reply, ErrorCode.RESPONSE_TRUNCATED, {}, _not_json(error, reply.body))
    except ValueError as error:
        return _invalid(reply, {}, _not_json(error, reply.body))
    if isinstance(body, dict) and _tells_of_failure(body):
        return _failure_or_no_face(reply, face_model_version)
    return _answer(reply, body, face_model_version)


def _tells_of_failure(body: Mapping[str, Json]) -> bool:
    is_bare_code = "code" in body and "face_shape_set" not in body
    return bool(body.get("error")) or body.get("success") is False or is_bare_code


def _failure_or_no_face(reply: Reply, face_model_version: str) -> Answer | Failure:
    failure = normalise_failure(reply)
    if failure.upstream_code == NO_FACE:
        return Answer((), None, None, "api", face_model_version, failure.trace_id)
    return failure


def _answer(reply: Reply, body: Json, face_model_version: str) -> Answer | Failure:
    fields = body if isinstance(body, dict) else {}
    try:
        answer = parse_answer(body)
    except FailureError as error:
        return _invalid(reply, fields, error.failure.message)
    version = kept_text(answer.face_model_version, 64) or face_model_version
    return replace(answer, face_model_version=version, trace_id=trace_id_of(reply, fields))


def _not_json(error: ValueError, body: bytes) -> str:
    return f"the body is not JSON: {error}; it begins {body[:80]!r}"


def _invalid(reply: Reply, fields: Mapping[str, Json], detail: str) -> Failure:
    return _unread(reply, ErrorCode.INVALID_RESPONSE, fields, detail)


def _unread(reply: Reply, code: ErrorCode, fields: Mapping[str, Json], detail: str) -> Failure:
    return Failure(
        code,
        kept_text(f"HTTP {reply.status}: {detail} ({code.meaning})"),
        stage="annotate",
        http_status=reply.status,
        trace_id=trace_id_of(reply, fields),
        maybe_billed=True,
    )
