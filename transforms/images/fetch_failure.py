"""Say why an image could not be fetched: the value, the rule, the cure."""

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
    """Make the error that a fetch raises; `url` is shown without its secrets, `detail` must have none."""
    found = detail[:_MAX_DETAIL_CHARACTERS]
    message = f"{shown_url(url)}: {found} ({code.meaning}): {cure or code.about.cure}"
    return FailureError(Failure(code, message, stage="fetch"))


def too_large(url: str, size: str, max_bytes: int) -> FailureError:
    """Make the error of an image over the cap; `size` says how large it is, as far as known."""
    detail = f"{size}, and at most {max_bytes} bytes are fetched"
    return fetch_failure(ErrorCode.IMAGE_TOO_LARGE, url, detail)
