"""The web API as a face source: it paces calls, keeps to the budget, and stops when every call would fail."""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from threading import TIMEOUT_MAX, Lock, Timer
from time import monotonic
from typing import Final, Self

from facebeam.schemas.errors import ErrorCode, RunError
from facebeam.schemas.values import Failure, FailureError, FoundFaces, ImageRequest
from facebeam.transforms.api.call_limits import CallLedger, CallLimits
from facebeam.transforms.api.circuit import Circuit, Outage
from facebeam.transforms.api.client import ApiClient, Call
from facebeam.transforms.api.fit_to_send import check_fit_to_send
from facebeam.transforms.api.pacer import LARGEST_WINDOW, MOST_PER_S, Pacer
from facebeam.transforms.http.session import told_when_sent
from facebeam.transforms.sources.end_time import shown_end_time, window_closed
from facebeam.transforms.sources.face_source import FaceSource, OpenSource

__all__ = ["ApiSource"]

UNPACED_WINDOW: Final = 64
"""Number of requests in flight if the rate is unlimited."""
SPARE: Final = 1.3
"""The number of requests in flight is this many times rate times latency, because latencies vary."""
LONGEST_PAUSE_S: Final = 60.0
"""A `Retry-After` pauses all calls for at most this long."""
SERVER_FAULTS_IN_A_ROW: Final = 3
"""After this many server errors in a row calls slow down: the gateway turns its upstream's 429s into 500s."""


@dataclass(frozen=True)
class ApiSource(FaceSource):
    """The web API as a face source.

    Args:
        client: makes single calls.
        rate_per_s: largest number of calls per second, retries included. None: unlimited.
        limits: largest number of calls, and the time when sending ends.
        window: number of requests in flight. None: as many as rate times latency needs.
        allow_private_urls: whether to send also URLs that contain a user or password, or name a private host.
    """

    client: ApiClient
    rate_per_s: float | None = None
    limits: CallLimits = field(default_factory=CallLimits)
    window: int | None = None
    allow_private_urls: bool = False

    name = "api"

    @property
    def identity(self) -> str:
        """The service's address and the model version."""
        return self.client.identity

    @property
    def largest_window(self) -> int:
        """Largest number of requests in flight."""
        return self.window or (LARGEST_WINDOW if self.rate_per_s else UNPACED_WINDOW)

    def settings(self) -> Mapping[str, str | float | None]:
        """Give the limits."""
        return {
            "rate_per_s": self.rate_per_s,
            "budget_calls": self.limits.calls,
            "stop_at": shown_end_time(self.limits.stop_at),
            "window": self.window,
        }

    def for_shard(self, shard: int, shards: int) -> Self:
        """Give a shard's part. The parts of rate and budget add up to the whole; each window is at least 1.

        Raises:
            RunError: there are more shards than calls per second. A shard's rate is at least one call per
                second, so together the shards would send more calls than the rate allows.
        """
        return replace(
            self,
            rate_per_s=None if self.rate_per_s is None else rate_part(self.rate_per_s, shard, shards),
            limits=self.limits.for_shard(shard, shards),
            window=self.window and max(1, self.window // shards),
        )

    @contextmanager
    def open(self) -> Iterator[OpenSource]:
        """Open the connections; pacer, budget and circuit start anew."""
        with self.client.open() as call:
            opened = _OpenApi(self, call)
            with opened.ended_in_time():
                yield opened


def rate_part(rate_per_s: float, shard: int, shards: int) -> float:
    """Give a shard's part of the rate: whole calls per second; the last shard also gets the fraction.

    Only whole numbers add up: at 2.5 calls per second, a shard sends three in some seconds. Four such shards
    could send twelve calls in a second where the rate allows ten.

    >>> [rate_part(10.5, shard, 4) for shard in range(4)]
    [3.0, 3.0, 2.0, 2.5]
    """
    if shards == 1:
        return rate_per_s
    whole = int(rate_per_s)
    if whole < shards:
        raise RunError(
            f"{shards} shards cannot share {rate_per_s:g} calls per second: give --shards {max(1, whole)}"
        )
    rest = rate_per_s - whole if shard == shards - 1 else 0.0
    return whole // shards + (shard < whole % shards) + rest


class _OpenApi(OpenSource):
    """What the threads of one shard share while the source is open."""

    def __init__(self, source: ApiSource, call: Call) -> None:
        self._source = source
        self._call = call
        self._circuit = Circuit()
        self._ledger = CallLedger(source.limits)
        self._outage = Outage(self._circuit)
        self._pacer = Pacer(source.rate_per_s or MOST_PER_S, sleep=self._circuit.sleep)
        self._lock = Lock()
        self._latency_s = 1.0
        self._asleep = 0
        self._server_faults = 0

    def attempt(self, request: ImageRequest) -> FoundFaces:
        """Send one call when its turn has come, and report the result to circuit, pacer and budget."""
        if not self._source.allow_private_urls:
            check_fit_to_send(request.image_url)
        while True:
            try:
                with self._outage.turn():
                    return self._send(request)
            except FailureError as error:
                # During an outage, a call that did not reach the service is sent again here: it uses up no
                # attempt of its image.
                if not (error.failure.was_sent and not error.failure.maybe_billed and self._circuit.is_out):
                    raise

    def _send(self, request: ImageRequest) -> FoundFaces:
        with told_when_sent(self._pacer.wait_for_turn().sent):
            self._circuit.check()
            self._reserve()
            began = monotonic()
            try:
                found = self._call(request)
            except FailureError as error:
                self._failed(error.failure, monotonic() - began)
                raise
            self._answered(monotonic() - began)
            return found

    def may_retry(self) -> bool:
        """Count one retry, if another one is allowed. During an outage all are: they wait, and are few."""
        return self._circuit.is_out or self._ledger.may_retry()

    @contextmanager
    def ended_in_time(self) -> Iterator[None]:
        """Open the circuit at `stop_at`, so that calls which wait for a turn or for a retry stop waiting."""
        stop_at = self._source.limits.stop_at
        if stop_at is None:
            yield
            return
        left_s = (stop_at - datetime.now(UTC)).total_seconds()
        timer = Timer(min(max(0.0, left_s), TIMEOUT_MAX), self._circuit.open, [window_closed(stop_at)])
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def window(self) -> int:
        """Give the number of requests to have in flight: rate times recent latency, plus waiting retries."""
        if self._source.window or not self._source.rate_per_s:
            return self._source.largest_window
        needed = math.ceil(self._pacer.rate_per_s * self._latency_s * SPARE)
        return min(LARGEST_WINDOW, 2 + needed + self._asleep)

    def count_earlier_call(self) -> None:
        """Count a call that this run sent before the engine retried the bundle."""
        self._ledger.count_earlier_call()

    def throttled_s(self) -> float:
        """Give the seconds during which calls have waited for their turn."""
        return self._pacer.throttled_s

    def why_slow(self) -> str | None:
        """Say what keeps calls from leaving at the full rate."""
        if cause := self._circuit.cause:
            return f"nothing more is sent: {cause.code}"
        if self._circuit.is_out:
            return "waiting: the service cannot be reached"
        if (pause_s := self._pacer.pause_s) >= 1:
            return f"waiting {pause_s:.0f} s: the service asked for a pause"
        rate_per_s = self._pacer.rate_per_s
        if rate_per_s >= (self._source.rate_per_s or MOST_PER_S):
            return None
        return f"slowed to {rate_per_s:.1f} calls/s: the service refused some"

    def sleep(self, seconds: float) -> None:
        """Wait before a retry; raises as `Circuit.check` if the circuit opens meanwhile."""
        with self._lock:
            self._asleep += 1
        try:
            self._circuit.sleep(seconds)
        finally:
            with self._lock:
                self._asleep -= 1

    def _reserve(self) -> None:
        try:
            self._ledger.reserve(datetime.now(UTC))
        except FailureError as error:
            self._circuit.open(error.failure)
            raise

    def _answered(self, latency_s: float) -> None:
        self._circuit.succeeded()
        with self._lock:
            self._server_faults = 0
            self._latency_s += (latency_s - self._latency_s) / 16

    def _failed(self, failure: Failure, took_s: float) -> None:
        self._circuit.failed(failure, took_s)
        if not failure.maybe_billed and self._circuit.is_out:
            self._ledger.give_back()
        with self._lock:
            is_fault = failure.code in {ErrorCode.API_ERROR, ErrorCode.SERVER_ERROR}
            self._server_faults = self._server_faults + 1 if is_fault else 0
            throttled = failure.code.about.asks_to_slow_down or self._server_faults >= SERVER_FAULTS_IN_A_ROW
        if throttled:
            self._pacer.slow_down(min(failure.retry_after_s or 0.0, LONGEST_PAUSE_S))
