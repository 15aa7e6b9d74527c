"""Hold calls back while a service cannot be reached, and let one at a time find out whether it is back."""

from collections.abc import Iterator
from contextlib import contextmanager
from logging import getLogger
from threading import Lock
from typing import Final

from transforms.circuit import Circuit

PAUSES_S: Final = (1.0, 2.0, 4.0, 8.0)
"""Before each trial of an outage; the last one is repeated. Few trials: a call has only so many attempts."""
_LOOK_S: Final = 0.5
_LOGGER: Final = getLogger("facebeam")


class Outage:
    """A gate that is open unless the circuit says that the service is out. Many threads share it."""

    def __init__(self, circuit: Circuit) -> None:
        self._circuit = circuit
        self._trial = Lock()
        self._trials = 0

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait until the service is there again, or until this call may be the next to try.

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
        """Wait before the next trial; say so before the first, and that it is over after the last."""
        if not self._circuit.is_out:
            if self._trials:
                _LOGGER.warning("the service answers again: the run goes on")
            self._trials = 0
            return
        if not self._trials:
            _LOGGER.warning("the service cannot be reached: waiting until it can be, for two minutes at most")
        self._circuit.sleep(PAUSES_S[min(self._trials, len(PAUSES_S) - 1)])
        self._trials += 1
