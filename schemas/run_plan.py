"""The counts of a plan: what a run would send."""

from typing import NamedTuple


class RunPlan(NamedTuple):
    """Counts of a manifest's rows and images, compared with the answers in a journal."""

    rows: int
    invalid_rows: int
    images: int
    """Distinct images of the valid rows."""
    from_journal: int
    """Images with an answer in the journal."""
    not_sent: int
    """Images that a run does not send to the service because of their URL, for example a private one."""

    @property
    def duplicates(self) -> int:
        """Number of valid rows whose image is already in an earlier row."""
        return self.rows - self.invalid_rows - self.images

    @property
    def calls(self) -> int:
        """Number of calls to send, without retries."""
        return self.images - self.from_journal - self.not_sent
