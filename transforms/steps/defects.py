"""Exceptions that nobody foresaw: one is the failure of its image, many are a defect that ends the run."""

import traceback
from datetime import UTC, datetime
from typing import Final

from facebeam.schemas.errors import ErrorCode, RunError
from facebeam.schemas.values import Answer, Failure

IN_A_ROW: Final = 5
SHARE: Final = 0.01
"""Of the images asked for, once there are a hundred times `IN_A_ROW` of them."""


def internal_error(error: Exception) -> Failure:
    """Give type and place of an exception as the failure of its image; its words may hold a secret."""
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
    """Counts the internal errors of a shard, on the bundle's thread."""

    def __init__(self) -> None:
        self._images = 0
        self._errors = 0
        self._in_a_row = 0

    def count(self, result: Answer | Failure) -> None:
        """Count one image's result; raises RunError when the errors are not an exception any more."""
        self._images += 1
        is_error = isinstance(result, Failure) and result.code is ErrorCode.INTERNAL_ERROR
        self._errors += is_error
        self._in_a_row = self._in_a_row + 1 if is_error else 0
        too_many = self._errors > SHARE * max(self._images, 100 * IN_A_ROW)
        if isinstance(result, Failure) and is_error and (self._in_a_row >= IN_A_ROW or too_many):
            raise RunError(
                f"{self._errors} of {self._images} images failed by an error of this program, the last by "
                f"{result.message}; please report it, with the image if you can"
            )
