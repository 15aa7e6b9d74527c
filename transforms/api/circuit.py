"""Stop all sending when every further call would fail too; pause it while the service cannot be reached."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from logging import getLogger
from threading import Event, Lock
from time import monotonic
from typing import Final

from facebeam.schemas.errors import Fate, Trouble
from facebeam.schemas.values import NOT_SENT, Failure, FailureError
from facebeam.transforms.steps.progress import stop_if_asked

MOST_IN_A_ROW: Final = {Trouble.WRONG_SERVICE: 50, Trouble.ITS_ACCOUNT: 3}
"""Failures in a row after which the circuit opens, for kinds of failure that waiting does not end."""
TROUBLE_S: Final = 120.0
"""The circuit opens when the service itself has failed for this long, in `FEWEST` calls in a row or more."""
FEWEST: Final = 10
OUTAGE_SERIES: Final = 5
"""After this many calls in a row that did not reach the service, the others wait until one gets through."""
_LOOK_S: Final = 0.5


class Circuit:
    """Closed while calls may be sent. Once it is open, it stays open. Many threads share it."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self._opened = Event()
        self._cause: Failure | None = None
        self._series = 0
        self._fruitless = 0
        self._fruitless_since = 0.0
        self._unreached = 0

    @property
    def is_out(self) -> bool:
        """Whether the service cannot be reached at the moment."""
        return self._unreached >= OUTAGE_SERIES

    @property
    def cause(self) -> Failure | None:
        """Why the circuit is open; None while it is closed."""
        return self._cause

    def check(self) -> None:
        """Raise FailureError if the circuit is open, and RunError if the run was asked to stop."""
        stop_if_asked()
        if self._cause is not None:
            raise FailureError(self._cause)

    def open(self, cause: Failure) -> None:
        """Open the circuit; if it is open already, the earlier cause stays."""
        with self._lock:
            if self._cause is None:
                self._cause = replace(cause, stage=NOT_SENT, was_sent=False, maybe_billed=False)
                self._opened.set()

    def succeeded(self) -> None:
        """Record an answer: it ends every series of failures."""
        with self._lock:
            self._series = self._fruitless = self._unreached = 0

    def failed(self, failure: Failure, took_s: float = 0.0) -> None:
        """Record a failure, and open the circuit if further calls would fail too.

        Args:
            failure: the result of a call.
            took_s: duration of the call in seconds. The time without an answer is counted from the start of
                the first call that failed.
        """
        trouble = failure.code.about.trouble
        longest = MOST_IN_A_ROW.get(trouble) if trouble else None
        with self._lock:
            self._unreached = self._unreached + 1 if trouble is Trouble.UNREACHABLE else 0
            self._series = self._series + 1 if longest else 0
            self._fruitless = self._fruitless + 1 if trouble else 0
            now = self._clock()
            if self._fruitless == 1:
                self._fruitless_since = now - took_s
            is_long = longest is not None and self._series >= longest
            is_silent = self._fruitless >= FEWEST and now - self._fruitless_since >= TROUBLE_S
        if is_long or is_silent or failure.fate is Fate.OPEN_CIRCUIT:
            self.open(failure)

    def sleep(self, seconds: float) -> None:
        """Wait. If the circuit opens meanwhile, or the run is asked to stop, raise as `check` does."""
        until = monotonic() + seconds
        while (left_s := until - monotonic()) > 0:
            self.check()
            self._opened.wait(min(left_s, _LOOK_S))
        self.check()


PAUSES_S: Final = (1.0, 2.0, 4.0, 8.0)
"""Seconds to wait before each trial call of an outage; the last value is repeated.

There are few trials, because a trial that a gateway answers uses up an attempt of its image.
"""
_LOGGER: Final = getLogger("facebeam")


class Outage:
    """Lets calls pass while the service can be reached, and one trial call at a time while it cannot.

    Many threads share it.
    """

    def __init__(self, circuit: Circuit) -> None:
        self._circuit = circuit
        self._trial = Lock()
        self._trials = 0

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait until the service can be reached again, or until this call may be the next trial.

        Raises:
            FailureError, RunError: as `Circuit.check`.
        """
        if self._circuit.is_out:
            while not self._trial.acquire(timeout=_LOOK_S):
                self._circuit.check()
            try:
                self._pause()
                if self._circuit.is_out:
                    yield
                    return
            finally:
                self._trial.release()
        yield

    def _pause(self) -> None:
        """Wait before the next trial. Log a warning before the first trial, and when the outage has ended."""
        if not self._circuit.is_out:
            if self._trials:
                _LOGGER.warning("the service answers again; the run continues")
            self._trials = 0
            return
        if not self._trials:
            _LOGGER.warning("the service cannot be reached; the run waits for it, at most two minutes")
        self._circuit.sleep(PAUSES_S[min(self._trials, len(PAUSES_S) - 1)])
        self._trials += 1
