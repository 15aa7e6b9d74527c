"""Build the failure of an image that could not be fetched; its message has the value, the rule, the cure."""

from typing import Final

from facebeam.schemas.errors import ErrorCode
from facebeam.schemas.values import Failure, FailureError
from facebeam.transforms.http.shown_text import shown_url

_MAX_DETAIL_CHARACTERS: Final = 200


def fetch_failure(
    code: ErrorCode,
    url: str,
    detail: str,
    cure: str | None = None,
) -> FailureError:
    """Build the error that a fetch raises. `url` is shown without its secrets; `detail` must not have any."""
    found = detail[:_MAX_DETAIL_CHARACTERS]
    message = f"{shown_url(url)}: {found} ({code.meaning}): {cure or code.about.cure}"
    return FailureError(Failure(code, message, stage="fetch"))


def too_large(url: str, size: str, max_bytes: int) -> FailureError:
    """Build the error for an image that is too large; `size` describes its size, as far as it is known."""
    detail = f"{size}, and the limit is {max_bytes} bytes"
    return fetch_failure(ErrorCode.IMAGE_TOO_LARGE, url, detail)
