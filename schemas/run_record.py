"""What a run says of itself in `run.json`, and the laws that its counts must keep."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

RECORD_MEANINGS: Final[Mapping[str, str]] = {
    "run_id": "the run's name, as in `run=<id>`",
    "started_at": "start of the run's last try, in UTC (ISO 8601)",
    "options": "every flag with its value; values of Beam's flags that look like secrets are hidden",
    "manifests": "path of each manifest file, and its checksum (`sha256:...`, or the bucket's own)",
    "versions": "versions of Python, facebeam, apache-beam, pyarrow and numpy",
    "committed_at": "when the tables were complete, in UTC (ISO 8601)",
    "counts": "rows of the manifest, of the tables, and of each error code; they are what the files hold",
    "calls": "distinct images, of them from_journal and not_sent; calls sent, of them retries, maybe_billed",
    "latency_ms": "p50, p95 and p99 of the column `latency_ms` of `images`; null without images",
    "files": "the Parquet files, as paths below the output",
}
"""The keys of `run.json`, in their order."""


@dataclass(frozen=True)
class RunCounts:
    """Rows and faces of one run, counted from its tables."""

    rows_read: int
    """Rows of the manifest, good or bad."""
    ok: int
    no_face: int
    face_count: int
    """Faces that the images say they have."""
    faces: int
    """Rows of the faces table."""
    dead: Mapping[str, int] = field(default_factory=dict)
    """Error code -> dead letters."""

    @property
    def dead_total(self) -> int:
        """Dead letters of all codes."""
        return sum(self.dead.values())

    @property
    def failure_share(self) -> float:
        """Dead letters as a share of the rows read, 0 to 1."""
        return self.dead_total / self.rows_read if self.rows_read else 0.0

    def broken_law(self) -> str | None:
        """Name the law that the counts break, with the counts; None where all hold.

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
                f"one row a face: the images have {self.face_count} faces, the faces table {self.faces} rows"
            )
        return None
