"""A stand-in for the paid service over real sockets on the loopback: latency, limits, bursts and faults.

with FaultyServer() as server:                 # an image URL with `/fault-<name>/` in it meets that fault
    ask(server.base_url, "https://example.com/fault-gzip_bomb/a.jpg")
assert server.calls == 1

with FaultyServer(slow(Latency(0.2, 0.05), answers()), StrictBucket(50)) as server: ...

The scripts of answers are in `paid_service_answers`, the named faults in `paid_service_faults`.
"""

import argparse
import json
import random
import re
import sys
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from ssl import SSLContext
from subprocess import PIPE
from threading import Event, Lock
from time import monotonic, sleep
from typing import Final

from tests.helpers.paid_service_answers import answers, fails, says, whole
from tests.helpers.paid_service_faults import ANSWERS, FAULTS
from tests.helpers.processes import running
from tests.helpers.scripted_server import Exchange, Script, ScriptedServer

PATH: Final = "/face/analyze"
_MOST_SEEN: Final = 1000


@dataclass
class Latency:
    """How long the service takes for a call. A seed makes two runs meet the same times, in some order."""

    mean_s: float
    jitter_s: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def next_s(self) -> float:
        """Draw a time: `mean_s` plus or minus up to `jitter_s`, but not below 0."""
        return max(0.0, self._random.uniform(self.mean_s - self.jitter_s, self.mean_s + self.jitter_s))


def slow(latency: Latency, then: Script) -> Script:
    """Wait for a time of the latency, then run the next script."""

    def script(exchange: Exchange) -> None:
        sleep(latency.next_s())
        then(exchange)

    return script


class StrictBucket:
    """Refuses each call over `rate_per_s` in any window of one second; counts allowed and refused calls."""

    def __init__(self, rate_per_s: int, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self._let_in: Final[deque[float]] = deque(maxlen=rate_per_s)
        self.allowed = 0
        self.refused = 0

    def lets_in(self) -> bool:
        """Tell whether one more call is allowed; only allowed calls fill the window."""
        with self._lock:
            now = self._clock()
            full = len(self._let_in) == self._let_in.maxlen and now - self._let_in[0] < 1
            self.refused += full
            self.allowed += not full
            if not full:
                self._let_in.append(now)
            return not full


def paced(bucket: StrictBucket, then: Script, headers: Mapping[str, str] | None = None) -> Script:
    """Answer 429 to calls that the bucket refuses; run the next script for all others."""
    refuses = fails("429 Too Many Requests", "too_many_requests", headers=headers)

    def script(exchange: Exchange) -> None:
        (then if bucket.lets_in() else refuses)(exchange)

    return script


def from_call(number: int, after: Script, before: Script) -> Script:
    """Run `before` for all calls before this number, then `after`; the first call is number 1."""
    calls, lock = count(1), Lock()

    def script(exchange: Exchange) -> None:
        with lock:
            changed = next(calls) >= number
        (after if changed else before)(exchange)

    return script


def in_bursts(every: int, length: int, fault: Script, then: Script) -> Script:
    """Run `fault` for the first `length` calls of every `every` calls, `then` for the others."""
    calls, lock = count(), Lock()

    def script(exchange: Exchange) -> None:
        with lock:
            hit = next(calls) % every < length
        (fault if hit else then)(exchange)

    return script


_FAULT: Final = re.compile(r"/fault-(\w+)/")


def by_image_url(otherwise: Script) -> Script:
    """Run the script that `/fault-<name>/` in the image's URL names, from `FAULTS` or `ANSWERS`."""
    scripts = ANSWERS | FAULTS

    def script(exchange: Exchange) -> None:
        named = _FAULT.search(image_url_of(exchange))
        (scripts[named[1]] if named else otherwise)(exchange)

    return script


def image_url_of(exchange: Exchange) -> str:
    """Read the image URL of a request."""
    url: str = json.loads(exchange.body)["image_url"]
    return url


class FaultyServer(ScriptedServer):
    """A server that answers `POST /face/analyze` with one script, and counts the calls."""

    def __init__(
        self, script: Script | None = None, bucket: StrictBucket | None = None, tls: SSLContext | None = None
    ) -> None:
        super().__init__({PATH: self._count, "/counts": self._tell}, tls=tls)
        then = script or by_image_url(answers())
        self._script = paced(bucket, then) if bucket else then
        self._bucket = bucket
        self._lock = Lock()
        self.calls = 0
        self.in_flight = 0
        self.most_in_flight = 0
        self.calls_by_url: Counter[str] = Counter()

    @property
    def base_url(self) -> str:
        """The value for `--base-url`."""
        return self.url("")

    def counts(self) -> dict[str, int]:
        """Give all counts; `repeated` counts calls for a URL that was called before."""
        repeated = self.calls - len(self.calls_by_url)
        refused = self._bucket.refused if self._bucket else 0
        in_flight = self.most_in_flight
        return {"calls": self.calls, "refused": refused, "repeated": repeated, "most_in_flight": in_flight}

    def _count(self, exchange: Exchange) -> None:
        url = image_url_of(exchange)
        with self._lock:
            self.calls += 1
            self.calls_by_url[url] += 1
            self.in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
            if len(self.seen) > _MOST_SEEN:  # a benchmark's 100,000 requests would fill the memory
                del self.seen[: _MOST_SEEN // 2]
        try:
            self._script(exchange)
        finally:
            with self._lock:
                self.in_flight -= 1

    def _tell(self, exchange: Exchange) -> None:
        says(whole(json.dumps(self.counts()).encode()))(exchange)


@contextmanager
def faulty_process(*flags: str) -> Iterator[str]:
    """Serve in a separate process, which takes no CPU time from the client's; give its base URL.

    Args:
        *flags: flags that `python -m tests.helpers.paid_service --help` lists.
    """
    command = [sys.executable, "-m", "tests.helpers.paid_service", *flags]
    with running(command, cwd=Path(__file__).parents[2], stdout=PIPE) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()


def main(argv: Sequence[str] | None = None) -> None:
    """Print the base URL and serve until killed. `GET /counts` gives the counts of calls."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--latency-ms", type=float, default=0.0)
    parser.add_argument("--jitter-ms", type=float, default=0.0)
    parser.add_argument("--rate", type=int, help="calls let in in any second")
    chosen = parser.parse_args(argv)
    script = by_image_url(answers())
    if chosen.latency_ms:
        script = slow(Latency(chosen.latency_ms / 1000, chosen.jitter_ms / 1000), script)
    with FaultyServer(script, StrictBucket(chosen.rate) if chosen.rate else None) as server:
        sys.stdout.write(f"{server.base_url}\n")
        sys.stdout.flush()
        Event().wait()


if __name__ == "__main__":
    main()
