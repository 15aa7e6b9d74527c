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
    LOCAL_FILE_NOT_ALLOWED = auto()
    # reaching the image, or the service
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
    IMAGE_TOO_SMALL = auto()
    IMAGE_UNDECODABLE = auto()
    # the service's own
    TOKEN_MISMATCHED = auto()
    API_NOT_IMPLEMENTED = auto()
    NO_TOKEN = auto()
    DISABLED = auto()
    INVALID_TOKEN = auto()
    TOKEN_EXPIRED = auto()
    AUTHORIZATION_MISSING = auto()
    AUTHENTICATION_FAILED = auto()
    PAYMENT_REQUIRED = auto()
    USED_UP = auto()
    NO_API = auto()
    BAD_REQUEST = auto()
    REQUEST_TOO_LARGE = auto()
    BUSY = auto()
    API_ERROR = auto()
    # the service's upstream, in groups
    UPSTREAM_REJECTED = auto()
    UPSTREAM_DOWNLOAD_FAILED = auto()
    UPSTREAM_DETECTION_FAILED = auto()
    UPSTREAM_ERROR = auto()
    UPSTREAM_ACCOUNT = auto()
    # this program
    INTERNAL_ERROR = auto()
    WORKER_DIED = auto()
    # an answer that is none
    INVALID_RESPONSE = auto()
    OTHER = auto()
    # not asked for
    BUDGET_EXHAUSTED = auto()
    WINDOW_CLOSED = auto()


def fate(code: ErrorCode, attempts: int = 1) -> Fate:  # noqa: C901, PLR0911, PLR0912 - the whole policy in one place
    """Tell what is done about a failure of this code after so many attempts at the image.

    >>> fate(ErrorCode.TIMEOUT), fate(ErrorCode.UPSTREAM_DETECTION_FAILED, attempts=2)
    (<Fate.RETRY: 'retry'>, <Fate.REJECT: 'reject'>)
    """
    match code:
        case ErrorCode.INVALID_MANIFEST_ROW | ErrorCode.LOCAL_FILE_NOT_ALLOWED:
            return Fate.REJECT
        case ErrorCode.FORBIDDEN_ADDRESS | ErrorCode.TLS_ERROR | ErrorCode.TOO_MANY_REDIRECTS:
            return Fate.REJECT
        case ErrorCode.HOST_NOT_FOUND | ErrorCode.CONNECTION_FAILED | ErrorCode.TIMEOUT:
            return Fate.RETRY
        case ErrorCode.NOT_FOUND | ErrorCode.FORBIDDEN | ErrorCode.HTTP_ERROR | ErrorCode.FILE_UNREADABLE:
            return Fate.REJECT
        case ErrorCode.RESPONSE_TRUNCATED | ErrorCode.TOO_MANY_REQUESTS | ErrorCode.SERVER_ERROR:
            return Fate.RETRY
        case (
            ErrorCode.IMAGE_EMPTY
            | ErrorCode.IMAGE_TOO_LARGE
            | ErrorCode.IMAGE_TOO_SMALL
            | ErrorCode.IMAGE_UNDECODABLE
        ):
            return Fate.REJECT
        case (
            ErrorCode.TOKEN_MISMATCHED
            | ErrorCode.API_NOT_IMPLEMENTED
            | ErrorCode.NO_TOKEN
            | ErrorCode.DISABLED
            | ErrorCode.INVALID_TOKEN
            | ErrorCode.TOKEN_EXPIRED
            | ErrorCode.AUTHORIZATION_MISSING
            | ErrorCode.AUTHENTICATION_FAILED
            | ErrorCode.PAYMENT_REQUIRED
            | ErrorCode.USED_UP
            | ErrorCode.NO_API
        ):
            return Fate.OPEN_CIRCUIT
        case ErrorCode.BAD_REQUEST | ErrorCode.REQUEST_TOO_LARGE:
            return Fate.REJECT
        case ErrorCode.BUSY | ErrorCode.API_ERROR | ErrorCode.UPSTREAM_ERROR:
            return Fate.RETRY
        case ErrorCode.UPSTREAM_REJECTED:
            return Fate.REJECT
        case ErrorCode.UPSTREAM_DOWNLOAD_FAILED:
            return Fate.RETRY if attempts < 3 else Fate.REJECT  # noqa: PLR2004 - policy
        case ErrorCode.UPSTREAM_DETECTION_FAILED:
            return Fate.RETRY if attempts < 2 else Fate.REJECT  # noqa: PLR2004 - policy
        case ErrorCode.UPSTREAM_ACCOUNT:
            return Fate.RETRY if attempts < 3 else Fate.OPEN_CIRCUIT  # noqa: PLR2004 - policy
        case ErrorCode.INTERNAL_ERROR | ErrorCode.WORKER_DIED | ErrorCode.INVALID_RESPONSE | ErrorCode.OTHER:
            return Fate.REJECT
        case ErrorCode.BUDGET_EXHAUSTED | ErrorCode.WINDOW_CLOSED:
            return Fate.OPEN_CIRCUIT
        case _:
            assert_never(code)


MENDED_ELSEWHERE = frozenset(
    {
        ErrorCode.INVALID_MANIFEST_ROW,
        ErrorCode.LOCAL_FILE_NOT_ALLOWED,
        ErrorCode.FORBIDDEN_ADDRESS,
        ErrorCode.TLS_ERROR,
        ErrorCode.TOO_MANY_REDIRECTS,
        ErrorCode.NOT_FOUND,
        ErrorCode.HTTP_ERROR,
        ErrorCode.FILE_UNREADABLE,
        ErrorCode.INTERNAL_ERROR,
    }
)
"""Rejects that say nothing of the image: a file put in its place or another flag mends them, so that the next
run asks again."""

SLOW_DOWN = frozenset({ErrorCode.TOO_MANY_REQUESTS, ErrorCode.BUSY})
"""Codes by which the other side asks for fewer requests."""

MEANINGS: dict[ErrorCode, str] = {
    ErrorCode.INVALID_MANIFEST_ROW: "the row names no image: no URL, not UTF-8, over 8 KB, ...",
    ErrorCode.LOCAL_FILE_NOT_ALLOWED: "the row names a file, not a web address; see --allow-local-files",
    ErrorCode.FORBIDDEN_ADDRESS: "the URL or a redirect leads to a private address; nothing was sent there",
    ErrorCode.HOST_NOT_FOUND: "the host name has no address",
    ErrorCode.CONNECTION_FAILED: "the connection was refused, reset or closed before an answer",
    ErrorCode.TLS_ERROR: "the server's certificate or TLS cannot be trusted",
    ErrorCode.TIMEOUT: "no whole answer within the time allowed",
    ErrorCode.TOO_MANY_REDIRECTS: "more redirects than a download follows, or a redirect to nowhere",
    ErrorCode.RESPONSE_TRUNCATED: "the body ended early, could not be decoded, or is not the service's JSON",
    ErrorCode.NOT_FOUND: "the image is not there: HTTP 404 or 410, or no such file",
    ErrorCode.FORBIDDEN: "the server refuses to show the image: HTTP 401 or 403",
    ErrorCode.TOO_MANY_REQUESTS: "the server asks for fewer requests: HTTP 429, or an upstream limit",
    ErrorCode.HTTP_ERROR: "any other HTTP status that is no success, or an answer that cannot be read",
    ErrorCode.SERVER_ERROR: "the server failed: HTTP 5xx",
    ErrorCode.FILE_UNREADABLE: "the file is there but cannot be read",
    ErrorCode.IMAGE_EMPTY: "zero bytes",
    ErrorCode.IMAGE_TOO_LARGE: "more bytes or more pixels than are decoded",
    ErrorCode.IMAGE_TOO_SMALL: "fewer pixels than the service looks at",
    ErrorCode.IMAGE_UNDECODABLE: "not an image, a broken one, or a format without a decoder here",
    ErrorCode.TOKEN_MISMATCHED: "the service knows the token, but not for this API: check the token",
    ErrorCode.API_NOT_IMPLEMENTED: "the service does not offer this API: check --base-url",
    ErrorCode.NO_TOKEN: "the service got no token: check the token",
    ErrorCode.DISABLED: "the account or token is disabled: see the service's console",
    ErrorCode.INVALID_TOKEN: "the token is not valid: check ACEDATACLOUD_API_TOKEN or --token-file",
    ErrorCode.TOKEN_EXPIRED: "the token has expired: make a new one in the service's console",
    ErrorCode.AUTHORIZATION_MISSING: "the service got no authorization: check the token",
    ErrorCode.AUTHENTICATION_FAILED: "the service does not accept the token: check it",
    ErrorCode.PAYMENT_REQUIRED: "the service asks for payment: top up the balance",
    ErrorCode.USED_UP: "nothing is left on the account: top up the balance",
    ErrorCode.NO_API: "the account has not applied for this API: see the service's console",
    ErrorCode.BAD_REQUEST: "the service cannot make sense of the request",
    ErrorCode.REQUEST_TOO_LARGE: "the request is larger than the service takes",
    ErrorCode.BUSY: "the service is busy",
    ErrorCode.API_ERROR: "the service failed and does not say why",
    ErrorCode.UPSTREAM_REJECTED: "the service's upstream refuses the image or a parameter",
    ErrorCode.UPSTREAM_DOWNLOAD_FAILED: "the service's upstream could not download the image; asked 3 times",
    ErrorCode.UPSTREAM_DETECTION_FAILED: "the service's upstream failed on the image; asked twice",
    ErrorCode.UPSTREAM_ERROR: "the service's upstream failed",
    ErrorCode.UPSTREAM_ACCOUNT: "the service's own account with its upstream is out of order",
    ErrorCode.INTERNAL_ERROR: "this program or a library of its failed on the image: please report it",
    ErrorCode.WORKER_DIED: "the process died on the image, three times: please report it",
    ErrorCode.INVALID_RESPONSE: "an answer that is not 90 finite points a face",
    ErrorCode.OTHER: "a code that this version does not know; the raw code stands in `raw_code`",
    ErrorCode.BUDGET_EXHAUSTED: "--budget-calls or --budget-credits was reached; not sent",
    ErrorCode.WINDOW_CLOSED: "--stop-at or --max-duration was reached; not sent",
}
"""One line a code for those who read dead letters; printed into the README."""

SET_UP_CURES: dict[ErrorCode, str] = {
    ErrorCode.LOCAL_FILE_NOT_ALLOWED: "write whole URLs, or give --allow-local-files with --source local",
    ErrorCode.FORBIDDEN_ADDRESS: "put the images on public hosts, or give --allow-private-urls",
}
"""What allows images that a run may not reach by default. A run of nothing else was set up wrongly."""


class RunError(Exception):
    """End the run without a commit; one line that names the value, the rule and the cure."""


class SetUpError(RunError):
    """A flag is wrong or missing, as every row of the run shows; exit code 2."""
