"""Turn an unexpected exception into the failure of its image; end the run if there are too many of them."""

import traceback
from datetime import UTC, datetime
from typing import Final

from facebeam.schemas.errors import ErrorCode, RunError
from facebeam.schemas.values import Answer, Failure

IN_A_ROW: Final = 5
"""This many internal errors in a row end the run."""
SHARE: Final = 0.01
"""Internal errors of more than this share of the images end the run; the first 500 images count as 500."""


def internal_error(error: Exception) -> Failure:
    """Make a failure with type and place of an exception, but not its text, which may hold a secret."""
    *_, last = traceback.extract_tb(error.__traceback__)
    place = f"{last.filename.rpartition('site-packages/')[2]}:{last.lineno} in {last.name}"
    now = datetime.now(UTC)
    return Failure(
        ErrorCode.INTERNAL_ERROR,
        f"{type(error).__name__} at {place}",
        stage="annotate",
        maybe_billed=True,
        attempts=1,
        first_attempt_at=now,
        last_attempt_at=now,
    )


class Defects:
    """Counts the internal errors of a shard; only the bundle's thread uses it."""

    def __init__(self) -> None:
        self._images = 0
        self._errors = 0
        self._in_a_row = 0

    def count(self, result: Answer | Failure) -> None:
        """Count the result of one image; raises RunError when there are too many internal errors."""
        self._images += 1
        is_error = isinstance(result, Failure) and result.code is ErrorCode.INTERNAL_ERROR
        self._errors += is_error
        self._in_a_row = self._in_a_row + 1 if is_error else 0
        too_many = self._errors > SHARE * max(self._images, 100 * IN_A_ROW)
        if isinstance(result, Failure) and is_error and (self._in_a_row >= IN_A_ROW or too_many):
            raise RunError(
                f"an error in facebeam failed {self._errors} of {self._images} images, the last one with "
                f"{result.message}; please report it, with the image if you can"
            )
