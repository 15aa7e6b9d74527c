"""The contents of `run.json`: counts of rows and calls, and the meaning of each key."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from facebeam.schemas.values import NOT_SENT, Answer, Failure


class CallCounts(NamedTuple):
    """Counts over distinct images; the counts of all shards add up to those of the run."""

    images: int = 0
    """Distinct images of the rows."""
    from_journal: int = 0
    """Images answered from the journal."""
    sent: int = 0
    """Calls that left this machine, retries included: the service can bill no more than these."""
    retries: int = 0
    maybe_billed: int = 0
    """Images without an answer whose last call may still be billed."""
    not_sent: int = 0
    """Images that were not sent because the run had stopped sending."""


FROM_JOURNAL: Final = CallCounts(images=1, from_journal=1)
RECALLED: Final = CallCounts(images=1, sent=1)
"""An image that this run sent before the engine repeated the bundle: at least one call."""


def sum_of_calls(counts: Iterable[CallCounts]) -> CallCounts:
    """Add up the counts of all shards; without shards all counts are zero."""
    return CallCounts(*map(sum, zip(*counts, strict=True)))


def calls_of(result: Answer | Failure) -> CallCounts:
    """Count one image that was sent, from its result.

    >>> calls_of(Failure(ErrorCode.TIMEOUT, "it took too long", stage="annotate", attempts=3))
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


RECORD_MEANINGS: Final[Mapping[str, str]] = {
    "run_id": "the run's name, as in `run=<id>`",
    "started_at": "when the last try of this run id started, in UTC (ISO 8601)",
    "options": "every flag with its value; values of Beam's flags that look like secrets are hidden",
    "manifests": "path of each manifest file -> its checksum (`sha256:...`, or the bucket's own checksum)",
    "versions": "versions of Python, facebeam, apache-beam, pyarrow and numpy",
    "committed_at": "when the tables were complete, in UTC (ISO 8601)",
    "counts": "numbers of rows in the manifest, in the files of each table, and for each error code",
    "calls": "distinct images, of these from_journal, not_sent; calls sent, of these retries, maybe_billed",
    "latency_ms": "p50, p95 and p99 of the column `latency_ms` of `images`, in ms; null: no new calls",
    "files": "paths of the Parquet files, relative to the output",
}
"""The keys of `run.json`, in their order."""


@dataclass(frozen=True)
class RunCounts:
    """Rows and faces of one run, counted from its tables."""

    rows_read: int
    """Rows of the manifest, valid or not."""
    ok: int
    no_face: int
    face_count: int
    """Sum of the column `face_count` of `images`."""
    faces: int
    """Rows of `faces`."""
    dead: Mapping[str, int] = field(default_factory=dict)
    """Error code -> dead letters."""

    @property
    def dead_total(self) -> int:
        """Dead letters of all codes."""
        return sum(self.dead.values())

    @property
    def failure_share(self) -> float:
        """Share of the rows read that are dead letters, 0 to 1."""
        return self.dead_total / self.rows_read if self.rows_read else 0.0

    def broken_law(self) -> str | None:
        """Describe the rule that the counts break, with the counts; None if they break none.

        >>> RunCounts(rows_read=3, ok=1, no_face=1, face_count=2, faces=2, dead={"timeout": 1}).broken_law()
        >>> RunCounts(rows_read=3, ok=1, no_face=0, face_count=2, faces=2).broken_law()
        'every manifest row ends in exactly one place: 3 rows read, 1 ok + 0 no_face + 0 dead letters = 1'
        """
        ended = self.ok + self.no_face + self.dead_total
        if ended != self.rows_read:
            return (
                f"every manifest row ends in exactly one place: {self.rows_read} rows read, "
                f"{self.ok} ok + {self.no_face} no_face + {self.dead_total} dead letters = {ended}"
            )
        if self.faces != self.face_count:
            return (
                f"one row per face: images have {self.face_count} faces, "
                f"the faces table has {self.faces} rows"
            )
        return None
