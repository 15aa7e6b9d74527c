"""The paid service's odd answers and faults by name; an image URL with `/fault-<name>/` in it selects one."""

import gzip
import json
import zlib
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Final

from tests.helpers.paid_service_answers import (
    answers,
    body_of,
    drips,
    face,
    fails,
    hangs,
    raw,
    retry_after,
    says,
    torn,
    upstream,
    whole,
)
from tests.helpers.scripted_server import Script


def _with_first_point(point: object) -> bytes:
    changed = face()
    points = changed["face_profile"]
    assert isinstance(points, list)
    points[0] = point
    return json.dumps(body_of([changed])).encode()


_NOW: Final = datetime(2030, 1, 1, tzinfo=UTC)
_OK: Final = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
_ONE_FACE: Final = json.dumps(body_of([face()]))
_SHORT_FACE: Final = face() | {"nose": [{"x": 1, "y": 2}] * 12}
_CAPITALS: Final = _ONE_FACE.replace('"x"', '"X"').replace('"y"', '"Y"')
_ERROR_500: Final = "500 Internal Server Error"

ANSWERS: Final[dict[str, Script]] = {
    "one_face": answers(),
    "zero_faces": answers([]),
    "null_faces": raw(json.dumps(body_of(None))),
    "ten_faces": answers([face(10 * i) for i in range(10)]),
    "two_hundred_faces": answers([face(i) for i in range(200)]),
    "capital_axes": raw(_CAPITALS),
    "faces_as_text": answers(json.dumps([face()])),
    "bom": raw("\ufeff" + _ONE_FACE),
    "gzip": raw(gzip.compress(_ONE_FACE.encode(), mtime=0), {"Content-Encoding": "gzip"}),
    "chunked": torn(f"{_OK}Transfer-Encoding: chunked\r\n\r\n{len(_ONE_FACE):x}\r\n{_ONE_FACE}\r\n0\r\n\r\n"),
    "no_content_length": torn(f"{_OK}\r\n{_ONE_FACE}"),
    "nan_width": raw(_ONE_FACE.replace('"image_width": 640', '"image_width": NaN')),
    "no_face_in_photo": upstream("InvalidParameterValue.NoFaceInPhoto"),
    "created_201": says(whole(_ONE_FACE.encode(), "201 Created")),
}
"""Odd responses that are answers nevertheless, by name."""

FAULTS: Final[dict[str, Script]] = {
    # errors with the service's own codes
    "token_mismatched": fails("401 Unauthorized", "token_mismatched"),
    "api_not_implemented": fails("400 Bad Request", "api_not_implemented"),
    "no_token": fails("400 Bad Request", "no_token"),
    "disabled": fails("400 Bad Request", "disabled"),
    "invalid_token": fails("401 Unauthorized", "invalid_token"),
    "token_expired": fails("401 Unauthorized", "token_expired"),
    "authorization_missing": fails("401 Unauthorized", "authorization_missing"),
    "authentication_failed": fails("401 Unauthorized", "authentication_failed"),
    "payment_402": fails("402 Payment Required"),
    "used_up": fails("403 Forbidden", "used_up"),
    "no_api": fails("404 Not Found", "no_api"),
    "bad_request": fails("400 Bad Request", "bad_request"),
    "forbidden": fails("403 Forbidden", "forbidden"),
    "request_too_large": fails("413 Request Entity Too Large", "request_too_large"),
    "too_many_requests": fails("429 Too Many Requests", "too_many_requests"),
    "busy": fails(_ERROR_500, "busy"),
    "timeout": fails("504 Gateway Timeout", "timeout"),
    "api_error": fails(_ERROR_500, "api_error"),
    # requests to pause
    "retry_after_0": retry_after("0"),
    "retry_after_3": retry_after("3"),
    "retry_after_date": retry_after(format_datetime(_NOW + timedelta(seconds=20), usegmt=True), _NOW),
    "retry_after_past": retry_after(format_datetime(_NOW - timedelta(days=1), usegmt=True), _NOW),
    "retry_after_abc": retry_after("abc"),
    "retry_after_negative": retry_after("-1"),
    "retry_after_1e9": retry_after("1e9"),
    "retry_after_long": retry_after("1000000000"),
    # statuses without a known code
    "status_503": says(whole(b"", "503 Service Unavailable")),
    "status_504": says(whole(b"", "504 Gateway Timeout")),
    "status_409": says(whole(b"", "409 Conflict")),
    "status_418": says(whole(b"", "418 Teapot")),
    "unknown_code_400": fails("400 Bad Request", "brand_new"),
    "unknown_code_500": fails(_ERROR_500, "brand_new"),
    "html_502": says(whole(b"<html>Bad gateway</html>", "502 Bad Gateway", {"Content-Type": "text/html"})),
    "torn_500": torn(f"HTTP/1.1 {_ERROR_500}\r\nContent-Length: 100\r\n\r\n{{"),
    # codes of the upstream, inside an api_error
    "upstream_decode": upstream("FailedOperation.ImageDecodeFailed"),
    "upstream_resolution": upstream("FailedOperation.ImageResolutionExceed"),
    "upstream_size": upstream("FailedOperation.ImageSizeExceed"),
    "upstream_too_small": upstream("FailedOperation.ImageResolutionTooSmall"),
    "upstream_face_too_small": upstream("FailedOperation.FaceSizeTooSmall"),
    "upstream_empty": upstream("InvalidParameterValue.ImageEmpty"),
    "upstream_url": upstream("InvalidParameterValue.UrlIllegal"),
    "upstream_version": upstream("InvalidParameterValue.FaceModelVersionIllegal"),
    "upstream_parameter": upstream("InvalidParameter"),
    "upstream_missing": upstream("MissingParameter.Url"),
    "upstream_download": upstream("FailedOperation.ImageDownloadError"),
    "upstream_detection": upstream("FailedOperation.ImageFacedetectFailed"),
    "upstream_timeout": upstream("FailedOperation.RequestTimeout"),
    "upstream_internal": upstream("InternalError"),
    "upstream_limit": upstream("RequestLimitExceeded.UinLimitExceeded"),
    "upstream_limit_2": upstream("FailedOperation.RequestLimitExceeded"),
    "upstream_limit_3": upstream("LimitExceeded"),
    "upstream_auth": upstream("AuthFailure.SignatureFailure"),
    "upstream_resource": upstream("ResourceUnavailable.NotExist"),
    "upstream_sold_out": upstream("ResourcesSoldOut"),
    "upstream_operation": upstream("UnsupportedOperation"),
    "upstream_new": upstream("FailedOperation.BrandNew"),
    # failures with a status of success
    "error_in_200": raw('{"error": {"code": "used_up", "message": "sorry"}, "trace_id": "trace-1"}'),
    "success_false": raw('{"success": false, "error": {"code": "busy"}}'),
    "success_false_with_faces": raw(_ONE_FACE.replace("{", '{"success": false, ', 1)),
    "bare_code_in_200": raw('{"code": "invalid_token", "detail": "sorry"}'),
    "html_200": raw("<html>Hello</html>", {"Content-Type": "text/html"}),
    "empty_body": raw(b""),
    "null_body": raw("null"),
    "no_json": raw("{"),
    "nan": raw(_with_first_point({"x": float("nan"), "y": 1})),
    "infinity": raw(_with_first_point({"x": 1, "y": float("-inf")})),
    "number_over_float": raw(_ONE_FACE.replace('"x": 100', '"x": 1e999', 1)),
    "duplicate_keys": raw(_ONE_FACE.replace('"x": 100', '"x": 100, "x": 200', 1)),
    "bad_utf8": raw(_ONE_FACE.encode()[:-1] + b', "note": "\xff"}'),
    "deep": raw('{"face_shape_set": ' + "[" * 100_000 + "]" * 100_000 + "}"),
    "long_integer": raw(_ONE_FACE.replace('"x": 100', '"x": ' + "9" * 5000, 1)),
    "too_few_points": raw(json.dumps(body_of([_SHORT_FACE]))),
    "text_coordinate": raw(_with_first_point({"x": "1", "y": 1})),
    "bool_coordinate": raw(_with_first_point({"x": True, "y": 1})),
    "no_faces_key": raw('{"image_width": 640, "image_height": 480, "face_model_version": "3.0"}'),
    "status_204": says(b"HTTP/1.1 204 No Content\r\n\r\n"),
    "gzip_bomb": raw(
        gzip.compress(_ONE_FACE.encode() + b" " * 16_000_000, mtime=0), {"Content-Encoding": "gzip"}
    ),
    "bad_gzip": raw(b"no gzip", {"Content-Encoding": "gzip"}),
    "cut_gzip": raw(zlib.compress(_ONE_FACE.encode())[:-9], {"Content-Encoding": "deflate"}),
    # faults of the connection, and redirects
    "reset_before": torn(reset=True),
    "fin_before": torn(),
    "fin_in_headers": torn("HTTP/1.1 200 OK\r\nContent-"),
    "reset_inside": torn(f"{_OK}Content-Length: 9999\r\n\r\n{_ONE_FACE}", reset=True),
    "fin_inside": torn(f"{_OK}Content-Length: 9999\r\n\r\n{_ONE_FACE}"),
    "fin_inside_without_length": torn(f"{_OK}\r\n{_ONE_FACE[:500]}"),
    "torn_chunk": torn(f"{_OK}Transfer-Encoding: chunked\r\n\r\n{len(_ONE_FACE):x}\r\n{_ONE_FACE[:500]}"),
    "no_last_chunk": torn(f"{_OK}Transfer-Encoding: chunked\r\n\r\n{len(_ONE_FACE):x}\r\n{_ONE_FACE}\r\n"),
    "bad_chunk_length": torn(f"{_OK}Transfer-Encoding: chunked\r\n\r\nzz\r\n{_ONE_FACE}"),
    "negative_chunk": torn(f"{_OK}Transfer-Encoding: chunked\r\n\r\n-5\r\n{_ONE_FACE}"),
    "hang": hangs,
    "drip_status": drips("HTTP/1.1 200 O"),
    "drip_headers": drips("HTTP/1.1 200 OK\r\nX-Slow: "),
    "drip_body": drips(f"{_OK}Content-Length: 9999\r\n\r\n"),
    "garbage_status": torn("garbage\r\n\r\n"),
    "many_headers": torn(_OK + "X-More: 1\r\n" * 2000 + "Content-Length: 2\r\n\r\n{}"),
    "redirect_302": says(whole(b"", "302 Found", {"Location": "/elsewhere"})),
    "torn_redirect": torn("HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 100\r\n\r\n"),
    "redirect_308": says(whole(b"", "308 Permanent Redirect", {"Location": "http://127.0.0.1:1/"})),
}
"""Everything that is not an answer, by name."""
