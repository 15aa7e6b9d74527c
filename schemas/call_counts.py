"""What a run asked its face source for, counted by the request and not by the row."""

from collections.abc import Iterable
from typing import Final, NamedTuple

from schemas.values import NOT_SENT, Answer, Failure


class CallCounts(NamedTuple):
    """Sums over distinct images; they add up over shards."""

    images: int = 0
    """Distinct images that the rows ask for."""
    from_journal: int = 0
    """Images answered from the journal."""
    sent: int = 0
    """Calls that left this machine, retries included: what may be billed at most."""
    retries: int = 0
    maybe_billed: int = 0
    """Images without an answer whose last call may be billed all the same."""
    not_sent: int = 0
    """Images that were not asked for because sending had been stopped."""


FROM_JOURNAL: Final = CallCounts(images=1, from_journal=1)
RECALLED: Final = CallCounts(images=1, sent=1)
"""An image that this run had asked for before its bundle was repeated: at least one call."""


def sum_of_calls(counts: Iterable[CallCounts]) -> CallCounts:
    """Add the counts of all shards up; none is all zero."""
    return CallCounts(*map(sum, zip(*counts, strict=True)))


def calls_of(result: Answer | Failure) -> CallCounts:
    """Count one image that was asked for, by its result.

    >>> calls_of(Answer((), 640, 480, "api", "3.0", attempts=3))
    CallCounts(images=1, from_journal=0, sent=3, retries=2, maybe_billed=0, not_sent=0)
    """
    failure = result if isinstance(result, Failure) else None
    return CallCounts(
        images=1,
        sent=result.attempts,
        retries=max(0, result.attempts - 1),
        maybe_billed=int(failure is not None and failure.maybe_billed),
        not_sent=int(failure is not None and failure.stage == NOT_SENT),
    )
