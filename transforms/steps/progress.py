"""Count the progress of the command in this process, and record that it was asked to stop.

Beam's local runner reports no metrics before the end, and it pickles the DoFns that it runs. So the state
that DoFns share with the command in the same process is a variable of this module. On a worker of a cluster,
nothing reads it.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event, Lock

from facebeam.schemas.errors import ErrorCode, RunError
from facebeam.schemas.values import Answer


def _no_reason() -> None:
    return None


@dataclass
class Progress:
    """Counts of one run in this process; the bundle's thread writes them, and any thread may read them."""

    rows_read: int = 0
    ok: int = 0
    no_face: int = 0
    faces: int = 0
    dead: Counter[ErrorCode] = field(default_factory=Counter)
    calls: int = 0
    """Calls for images that have reached their end, retries included."""
    called_rows: int = 0
    """Rows that share the images of these calls."""
    stage: str = ""
    """What is done now; a run has none while it reads its manifest."""
    steps: int = 0
    """What is done of a stage that counts other things than rows, such as pictures."""
    steps_in_all: int | None = None
    why_slow: Callable[[], str | None] = _no_reason
    """Says what the source waits for, besides its own work; None: for nothing."""
    stop: Event = field(default_factory=Event)
    """Set to stop the run: it asks about no further image and ends without a commit."""
    publishing: Lock = field(default_factory=Lock)
    """Held while tables are published; code that ends the process must acquire it first."""
    committed: bool = False

    @property
    def rows_done(self) -> int:
        """Rows with an answer or a failure."""
        return self.ok + self.no_face + self.dead.total()

    def begin(self, stage: str, steps: int | None = None) -> None:
        """Begin a stage of so many steps."""
        self.stage, self.steps, self.steps_in_all = stage, 0, steps

    def count_answer(self, answer: Answer, rows: int) -> None:
        """Count the rows that share one answer."""
        self.ok += rows if answer.faces else 0
        self.no_face += 0 if answer.faces else rows
        self.faces += rows * len(answer.faces)

    def count_dead(self, code: ErrorCode, rows: int) -> None:
        """Count the rows that share one failure."""
        self.dead[code] += rows


PROGRESS = Progress()


def stop_if_asked() -> None:
    """Raise RunError if the run was asked to stop."""
    if PROGRESS.stop.is_set():
        raise RunError("the run was asked to stop")
