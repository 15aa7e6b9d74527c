"""Answers and failures of the paid service, as scripts for a scripted server."""

import json
from collections.abc import Mapping
from datetime import datetime
from email.utils import format_datetime
from itertools import count
from typing import Final

from facebeam.schemas.landmarks import REGIONS
from tests.helpers.scripted_server import Exchange, Script

TRACE_ID: Final = "trace-1"


def face(start: int = 100) -> dict[str, object]:
    """Make up a face of 90 points."""
    places = count(start)
    return {name: [{"x": next(places), "y": start} for _ in range(size)] for name, size in REGIONS.items()}


def body_of(faces: object) -> dict[str, object]:
    """Make the body of a success, with its four keys."""
    return {"image_width": 640, "image_height": 480, "face_model_version": "3.0", "face_shape_set": faces}


def whole(body: bytes, status: str = "200 OK", headers: Mapping[str, str] | None = None) -> bytes:
    """Give a whole response as one piece of bytes, so that it leaves in one packet."""
    lines = {"Content-Type": "application/json", "Content-Length": str(len(body))} | dict(headers or {})
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 {status}\r\n{head}\r\n".encode("latin-1") + body


def says(response: bytes) -> Script:
    """Send a whole response and keep the connection open."""

    def script(exchange: Exchange) -> None:
        exchange.keep_alive = True
        exchange.send(response)

    return script


def answers(faces: object = None, headers: Mapping[str, str] | None = None) -> Script:
    """Answer with these faces, by default with one."""
    body = json.dumps(body_of([face()] if faces is None else faces)).encode()
    return says(whole(body, headers={"x-trace-id": TRACE_ID} | dict(headers or {})))


def fails(
    status: str, code: str = "", message: str = "sorry", headers: Mapping[str, str] | None = None
) -> Script:
    """Answer with the service's usual error body; if there is no code, the error is only a text."""
    error = {"code": code, "message": message} if code else message
    return says(whole(json.dumps({"error": error, "trace_id": TRACE_ID}).encode(), status, headers))


def upstream(code: str) -> Script:
    """Answer with an error whose message contains a code of the upstream."""
    message = f"[TencentCloudSDKException] code:{code} message:sorry requestId:1"
    return fails("500 Internal Server Error", "api_error", message)


def raw(body: bytes | str, headers: Mapping[str, str] | None = None) -> Script:
    """Answer 200 with any body."""
    return says(whole(body.encode() if isinstance(body, str) else body, headers=headers))


def torn(*parts: bytes | str, reset: bool = False) -> Script:
    """Send these bytes, then close the connection with FIN, or with a reset."""

    def script(exchange: Exchange) -> None:
        for part in parts:
            exchange.send(part)
        if reset:
            exchange.reset()

    return script


def hangs(exchange: Exchange) -> None:
    """Send nothing, and keep the connection open until the server closes."""
    exchange.hang()


def drips(start: str) -> Script:
    """Send one byte every 20 ms, which no read timeout ends; close long after any deadline of the tests."""

    def script(exchange: Exchange) -> None:
        exchange.send(start)
        for _ in range(500):
            exchange.send("x")
            exchange.server_closing.wait(0.02)

    return script


def retry_after(value: str, date: datetime | None = None) -> Script:
    """Answer 429 with this Retry-After header, and with a Date header if a date is given."""
    dated = {"Date": format_datetime(date, usegmt=True)} if date else {}
    return fails("429 Too Many Requests", "too_many_requests", headers={"Retry-After": value} | dated)
