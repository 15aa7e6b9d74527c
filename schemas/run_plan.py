"""What a run would ask for: the counts of a plan."""

from typing import NamedTuple


class RunPlan(NamedTuple):
    """Counts of a manifest against a journal."""

    rows: int
    invalid_rows: int
    images: int
    """Distinct images that the valid rows ask for."""
    from_journal: int
    """Images that are answered already."""
    not_sent: int
    """Images that the service is not asked for, because of their URL."""

    @property
    def duplicates(self) -> int:
        """Rows that share another row's image."""
        return self.rows - self.invalid_rows - self.images

    @property
    def calls(self) -> int:
        """Calls that are left to send, where none has to be repeated."""
        return self.images - self.from_journal - self.not_sent
