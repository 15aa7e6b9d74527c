"""Read the body of an answer: a success only, decoded, and no more of it than is allowed."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import requests

from schemas.errors import ErrorCode
from schemas.values import FailureError
from transforms.image_fetch.fetch_failure import fetch_failure, too_large
from transforms.image_fetch.http_status import retry_after_s, status_error_code
from transforms.image_fetch.web_place import WebPlace

_CHUNK_BYTES: Final = 64 * 1024
_CODINGS: Final = frozenset({"br", "compress", "dcb", "dcz", "x-compress", "zstd"})
"""Content codings of IANA's registry that urllib3 reads with another package or not at all."""


def read_body(place: WebPlace, response: requests.Response, max_bytes: int) -> bytes:
    """Read the image that a place answers with.

    Raises:
        FailureError: the status is no success, or the body is too large or in a coding that cannot be read.
        Exception: what requests raises, when the body breaks.
    """
    if code := status_error_code(response.status_code):
        raise _status_failure(code, place, response)
    _keep_known_codings(place, response)
    if (announced := response.raw.length_remaining or 0) > max_bytes:
        raise too_large(place.url, f"{announced} bytes announced", max_bytes)
    body = bytearray()
    for chunk in _chunks(place, response):
        body += chunk
        if len(body) > max_bytes:
            raise too_large(place.url, f"over {max_bytes} bytes sent", max_bytes)
    return bytes(body)


def _keep_known_codings(place: WebPlace, response: requests.Response) -> None:
    """Have the body decoded by what is a coding: `gzip, identity` is gzip.

    A label that names no coding at all, such as `utf-8`, is a mistake of the server's, and ignored.
    """
    headers, decoded = response.raw.headers, response.raw.CONTENT_DECODERS
    codings = [coding.strip() for coding in headers.get("Content-Encoding", "").lower().split(",")]
    if unread := _CODINGS.intersection(codings).difference(decoded):
        detail = f"Content-Encoding {', '.join(sorted(unread))} was not asked for and cannot be read here"
        raise fetch_failure(ErrorCode.HTTP_ERROR, place.url, detail, "have the host send the image as it is")
    headers["Content-Encoding"] = ", ".join(coding for coding in codings if coding in decoded)


def _chunks(place: WebPlace, response: requests.Response) -> Iterator[bytes]:
    try:
        yield from response.iter_content(_CHUNK_BYTES)
    except ValueError:  # a chunk of negative length, which urllib3 tries to read
        raise fetch_failure(ErrorCode.RESPONSE_TRUNCATED, place.url, "no chunk length") from None


def _status_failure(code: ErrorCode, place: WebPlace, response: requests.Response) -> FailureError:
    status, headers = response.status_code, response.headers
    failure = fetch_failure(code, place.url, f"HTTP {status}").failure
    wait_s = retry_after_s(headers.get("Retry-After"), headers.get("Date"))
    return FailureError(replace(failure, http_status=status, retry_after_s=wait_s))
