"""Why an image could not be annotated: one closed set of codes, and the one table of their fates.

Sources: the service's guide and contract for the service's own codes and its upstream's; ours are named after
what the user can do about them. An unknown code is data: it becomes `other`, the raw text is kept beside it.
"""

from enum import StrEnum, auto
from typing import assert_never


class Fate(StrEnum):
    """What is done about a failure."""

    RETRY = auto()
    """Ask again after a pause; given up on, the dead letter is worth a replay."""
    REJECT = auto()
    """Never ask again: the same request would fail in the same way."""
    OPEN_CIRCUIT = auto()
    """Stop sending: every further request would fail in the same way."""


class ErrorCode(StrEnum):
    """The name of a failure: partition of the dead letters, `[a-z0-9_]{1,64}`."""

    # the manifest
    INVALID_MANIFEST_ROW = auto()
    # reaching the image
    FORBIDDEN_ADDRESS = auto()
    HOST_NOT_FOUND = auto()
    CONNECTION_FAILED = auto()
    TLS_ERROR = auto()
    TIMEOUT = auto()
    TOO_MANY_REDIRECTS = auto()
    RESPONSE_TRUNCATED = auto()
    NOT_FOUND = auto()
    FORBIDDEN = auto()
    TOO_MANY_REQUESTS = auto()
    HTTP_ERROR = auto()
    SERVER_ERROR = auto()
    FILE_UNREADABLE = auto()
    # the image itself
    IMAGE_EMPTY = auto()
    IMAGE_TOO_LARGE = auto()
    IMAGE_UNDECODABLE = auto()
    # an answer that is none
    INVALID_RESPONSE = auto()
    OTHER = auto()


def fate(code: ErrorCode) -> Fate:  # noqa: PLR0911 - one return a fate and group: this is the whole policy
    """Tell what is done about a failure of this code.

    >>> fate(ErrorCode.TIMEOUT)
    <Fate.RETRY: 'retry'>
    """
    match code:
        case ErrorCode.INVALID_MANIFEST_ROW:
            return Fate.REJECT
        case ErrorCode.FORBIDDEN_ADDRESS | ErrorCode.TLS_ERROR | ErrorCode.TOO_MANY_REDIRECTS:
            return Fate.REJECT
        case ErrorCode.HOST_NOT_FOUND | ErrorCode.CONNECTION_FAILED | ErrorCode.TIMEOUT:
            return Fate.RETRY
        case ErrorCode.NOT_FOUND | ErrorCode.FORBIDDEN | ErrorCode.HTTP_ERROR | ErrorCode.FILE_UNREADABLE:
            return Fate.REJECT
        case ErrorCode.RESPONSE_TRUNCATED | ErrorCode.TOO_MANY_REQUESTS | ErrorCode.SERVER_ERROR:
            return Fate.RETRY
        case ErrorCode.IMAGE_EMPTY | ErrorCode.IMAGE_TOO_LARGE | ErrorCode.IMAGE_UNDECODABLE:
            return Fate.REJECT
        case ErrorCode.INVALID_RESPONSE | ErrorCode.OTHER:
            return Fate.REJECT
        case _:
            assert_never(code)


MEANINGS: dict[ErrorCode, str] = {
    ErrorCode.INVALID_MANIFEST_ROW: "the row names no image: no URL, not UTF-8, over 8 KB, ...",
    ErrorCode.FORBIDDEN_ADDRESS: "the URL or a redirect leads to a private address; nothing was sent there",
    ErrorCode.HOST_NOT_FOUND: "the host name has no address",
    ErrorCode.CONNECTION_FAILED: "the connection was refused, reset or closed before an answer",
    ErrorCode.TLS_ERROR: "the server's certificate or TLS cannot be trusted",
    ErrorCode.TIMEOUT: "no whole answer within the time allowed",
    ErrorCode.TOO_MANY_REDIRECTS: "more redirects than a download follows, or a redirect to nowhere",
    ErrorCode.RESPONSE_TRUNCATED: "the body ended early or could not be decoded",
    ErrorCode.NOT_FOUND: "the image is not there: HTTP 404 or 410, or no such file",
    ErrorCode.FORBIDDEN: "the server refuses to show the image: HTTP 401 or 403",
    ErrorCode.TOO_MANY_REQUESTS: "the server asks for fewer requests: HTTP 429",
    ErrorCode.HTTP_ERROR: "any other HTTP status that is neither success nor the server's own fault",
    ErrorCode.SERVER_ERROR: "the server failed: HTTP 5xx",
    ErrorCode.FILE_UNREADABLE: "the file is there but cannot be read",
    ErrorCode.IMAGE_EMPTY: "zero bytes",
    ErrorCode.IMAGE_TOO_LARGE: "more bytes or more pixels than are decoded",
    ErrorCode.IMAGE_UNDECODABLE: "not an image, a broken one, or a format without a decoder here",
    ErrorCode.INVALID_RESPONSE: "an answer that is not 90 finite points a face",
    ErrorCode.OTHER: "a code that this version does not know; the raw code stands in `raw_code`",
}
"""One line a code for those who read dead letters; printed into the README."""


class RunError(Exception):
    """End the run without a commit; one line that names the value, the rule and the cure."""
