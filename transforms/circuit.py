"""Stop all sending at once when every further call would fail in the same way."""

from dataclasses import replace
from threading import Event, Lock
from time import monotonic
from typing import Final

from schemas.errors import ErrorCode, Fate, fate
from schemas.values import NOT_SENT, Failure, FailureError
from transforms.progress import stop_if_asked

UNBROKEN_SERIES: Final = 50
"""So many failures in a row that say nothing of an image, and the service counts as gone."""
ACCOUNT_SERIES: Final = 3
"""So many refusals of the provider's own account in a row."""
_NOT_THE_SERVICE: Final = frozenset(
    {
        # nobody answers
        ErrorCode.CONNECTION_FAILED,
        ErrorCode.HOST_NOT_FOUND,
        ErrorCode.TLS_ERROR,
        ErrorCode.TIMEOUT,
        # somebody else does: a wrong path in the address, a proxy, a page that says "back soon"
        ErrorCode.HTTP_ERROR,
        ErrorCode.INVALID_RESPONSE,
    }
)
_LOOK_S: Final = 0.5


def stops_a_run(code: ErrorCode) -> bool:
    """Tell whether failures of this code can open a circuit: at once, or by a series of them."""
    return code in _NOT_THE_SERVICE or fate(code, ACCOUNT_SERIES) is Fate.OPEN_CIRCUIT


class Circuit:
    """Closed while calls may be sent; once open it stays so for the run. Many threads share it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._opened = Event()
        self._cause: Failure | None = None
        self._series = 0

    def check(self) -> None:
        """Raise FailureError when the circuit is open, RunError when the run was asked to stop."""
        stop_if_asked()
        if self._cause is not None:
            raise FailureError(self._cause)

    def open(self, cause: Failure) -> None:
        """Open the circuit; the first cause counts."""
        with self._lock:
            if self._cause is None:
                self._cause = replace(cause, stage=NOT_SENT, was_sent=False, maybe_billed=False)
                self._opened.set()

    def succeeded(self) -> None:
        """Take note of an answer: a series is broken."""
        self._series = 0

    def failed(self, failure: Failure) -> None:
        """Take note of a failure, and open where it means that others would fail as well."""
        if failure.code in _NOT_THE_SERVICE or failure.code is ErrorCode.UPSTREAM_ACCOUNT:
            with self._lock:
                self._series += 1
        else:
            self._series = 0
        longest = ACCOUNT_SERIES if failure.code is ErrorCode.UPSTREAM_ACCOUNT else UNBROKEN_SERIES
        if failure.fate is Fate.OPEN_CIRCUIT or self._series >= longest:
            self.open(failure)

    def sleep(self, seconds: float) -> None:
        """Wait, unless the circuit opens or the run is asked to stop: then raise as `check` does."""
        until = monotonic() + seconds
        while (left_s := until - monotonic()) > 0:
            self.check()
            self._opened.wait(min(left_s, _LOOK_S))
        self.check()
