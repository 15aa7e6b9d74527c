"""Count the progress of the command in this process, and record that it was asked to stop.

Beam's local runner reports no metrics before the end, and it pickles the DoFns that it runs. So the state
that DoFns share with the command in the same process is a variable of this module. On a worker of a cluster,
nothing reads it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event, Lock

from facebeam.schemas.counts import Counts, total
from facebeam.schemas.errors import RunError


def _no_reason() -> None:
    return None


@dataclass
class Progress:
    """Counts of one run in this process; any thread may read them."""

    ended: Counts = field(default_factory=Counts)
    """What bundles that have ended have counted, and what commands without bundles count."""
    bundles: list[Counts] = field(default_factory=list)
    """What each bundle has counted that has not ended; its own thread writes it."""
    moving: Lock = field(default_factory=Lock)
    """Held while the counts of a bundle that ends are moved."""
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
    def counts(self) -> Counts:
        """The counts so far."""
        with self.moving:
            return total([self.ended, *self.bundles])

    @contextmanager
    def counting(self) -> Iterator[Counts]:
        """Give the counts of a bundle, which are part of this progress from now on."""
        counts = Counts()
        with self.moving:
            self.bundles.append(counts)
        try:
            yield counts
        finally:
            with self.moving:
                self.bundles = [other for other in self.bundles if other is not counts]
                self.ended = total([self.ended, counts])

    def begin(self, stage: str, steps: int | None = None) -> None:
        """Begin a stage of so many steps."""
        self.stage, self.steps, self.steps_in_all = stage, 0, steps


PROGRESS = Progress()


def stop_if_asked() -> None:
    """Raise RunError if the run was asked to stop."""
    if PROGRESS.stop.is_set():
        raise RunError("the run was asked to stop")
