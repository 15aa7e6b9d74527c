"""Say why an image could not be fetched: the value, the rule, the cure."""

from typing import Final

from schemas.errors import MEANINGS, ErrorCode
from schemas.values import Failure, FailureError
from transforms.image_fetch.shown_url import shown_url

CURES: Final[dict[ErrorCode, str]] = {
    ErrorCode.INVALID_MANIFEST_ROW: "correct the URL",
    ErrorCode.FORBIDDEN_ADDRESS: "put the image on a public host",
    ErrorCode.HOST_NOT_FOUND: "correct the host name, or replay when the name server answers",
    ErrorCode.CONNECTION_FAILED: "replay when the host is up",
    ErrorCode.TLS_ERROR: "have the host's certificate repaired, or name its authority with --ca-file",
    ErrorCode.TIMEOUT: "replay, or use a copy on a faster host",
    ErrorCode.TOO_MANY_REDIRECTS: "name the image's final URL",
    ErrorCode.RESPONSE_TRUNCATED: "replay",
    ErrorCode.NOT_FOUND: "correct the URL or drop the row",
    ErrorCode.FORBIDDEN: "use a URL that needs no login, or tell the host who asks: --user-agent, --header",
    ErrorCode.TOO_MANY_REQUESTS: "replay later, or at a lower rate",
    ErrorCode.HTTP_ERROR: "open the URL in a browser",
    ErrorCode.SERVER_ERROR: "replay when the host has recovered",
    ErrorCode.FILE_UNREADABLE: "make it a file that this user may read",
    ErrorCode.IMAGE_TOO_LARGE: "use a smaller copy",
    ErrorCode.INVALID_RESPONSE: "report this message",
    ErrorCode.OTHER: "report this message",
}
"""What to do, for every code that a fetch can end in."""

_MAX_DETAIL_CHARACTERS: Final = 200


def fetch_failure(
    code: ErrorCode,
    url: str,
    detail: str,
    cure: str | None = None,
) -> FailureError:
    """Make the error that a fetch raises; `url` is shown without its secrets, `detail` must have none."""
    found = detail[:_MAX_DETAIL_CHARACTERS]
    message = f"{shown_url(url)}: {found} ({MEANINGS[code]}): {cure or CURES[code]}"
    return FailureError(Failure(code, message, stage="fetch"))


def too_large(url: str, size: str, max_bytes: int) -> FailureError:
    """Make the error of an image over the cap; `size` says how large it is, as far as known."""
    detail = f"{size}, and at most {max_bytes} bytes are fetched"
    return fetch_failure(ErrorCode.IMAGE_TOO_LARGE, url, detail)
