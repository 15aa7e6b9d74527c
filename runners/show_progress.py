"""Show how far a command has come: live lines on a terminal, a log line every ten seconds elsewhere."""

import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from threading import Event, Thread
from time import monotonic
from typing import Final

from rich.console import Console
from rich.live import Live
from rich.text import Text

from facebeam.runners.flags.options import RunOptions
from facebeam.runners.flags.shared_options import TalkOptions
from facebeam.runners.logs import LOGGER
from facebeam.schemas.counts import Counts
from facebeam.transforms.steps.progress import PROGRESS, Progress

_TERMINAL_S: Final = 0.2
_SAMPLE_S: Final = 1.0
_SAMPLES_A_LINE: Final = 10
_RATE_OVER_S: Final = 60.0
_LONGEST_BAR: Final = 40
_SHORTEST_BAR: Final = 4


@dataclass(frozen=True, kw_only=True)
class Moment:
    """The progress of a command at one moment. None: unknown, or not applicable."""

    stage: str
    done: int
    total: int | None = None
    per_s: float | None = None
    """Rows or steps per second, over the last minute."""
    eta_s: float | None = None
    """Estimated seconds until all are done."""
    faces: int | None = None
    dead_letters: Mapping[str, int] = field(default_factory=dict)
    """Error code -> number of dead letters, the most frequent code first."""
    calls: int | None = None
    credits: float | None = None
    credits_projected: float | None = None
    """Estimated credits for all calls of the run, with retries, and limited by the budget."""
    from_journal: int = 0
    """Distinct images answered from the journal."""
    retries: int = 0
    latency_ms: float | None = None
    """Mean latency of the new answers, in ms."""
    waits_for: str | None = None

    def sentence(self) -> str:
        """Give everything as one line, for logs."""
        total = "" if self.total is None else f" of {self.total:,}"
        speed = "" if self.per_s is None else f", {self.per_s:,.1f} a second"
        left = "" if self.eta_s is None else f", {_clock(self.eta_s)} left"
        return "; ".join([f"{self.stage}: {self.done:,}{total}{speed}{left}", *self._more(1000)])

    def lines(self, width: int, marks: str = "━━") -> list[Text]:
        """Give lines of at most `width` characters; `marks`: characters of the bar for done and not done."""
        total = "" if self.total is None else f"/{self.total:,}"
        speed = "" if self.per_s is None else f" {self.per_s:,.1f}/s"
        left = "" if self.eta_s is None else f" {_clock(self.eta_s)}"
        first = Text(self.stage)
        rest = f" {self.done:,}{total}{speed}{left}"
        room = min(_LONGEST_BAR, width - 1 - len(first) - len(rest))
        if self.total and room >= _SHORTEST_BAR:
            done = min(room, room * self.done // self.total)
            first.append(" ").append(marks[0] * done, "bar.complete")
            first.append(marks[1] * (room - done), "bar.back")
        lines = [first.append(rest), *map(Text, self._more(width))]
        for line in lines:
            line.truncate(width)
        return lines

    def _more(self, width: int) -> Iterator[str]:
        if self.faces is not None:
            faces = f"{self.faces:,} faces, "
            yield faces + _dead(self.dead_letters, width - len(faces))
        if self.calls is not None:
            spent = "" if self.credits is None else f", {self.credits:,.2f}"
            in_all = "" if self.credits_projected is None else f" of about {self.credits_projected:,.2f}"
            yield f"{self.calls:,} calls{spent}{in_all}{'' if self.credits is None else ' credits'}"
        if answered := [*self._answered()]:
            yield ", ".join(answered)
        if self.waits_for:
            yield self.waits_for

    def _answered(self) -> Iterator[str]:
        if self.from_journal:
            yield f"{self.from_journal:,} from the journal"
        if self.retries:
            yield f"{self.retries:,} retries"
        if self.latency_ms is not None:
            yield f"latency {self.latency_ms:,.0f} ms"


def moment_of(counts: Counts, stage: str = "annotating", *, is_paid: bool) -> Moment:
    """Give the moment of a run of which only the counts are known, such as that of a job on a cluster."""
    return Moment(
        stage=stage if counts.rows_left > 0 else "writing",
        done=counts.rows_done,
        total=counts.rows,
        faces=counts.faces,
        dead_letters=dict(counts.dead.most_common()),
        calls=counts.calls if is_paid else None,
        from_journal=counts.from_journal,
        retries=counts.retries,
        latency_ms=counts.latency_ms,
    )


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


def _dead(codes: Mapping[str, int], width: int) -> str:
    """Count dead letters by code; as many codes as fit are named, the most frequent first."""
    total = f"{sum(codes.values()):,} dead"
    counts = [*codes.items()]
    for named in range(len(counts), 0, -1):
        parts = [f"{count:,} {code}" for code, count in counts[:named]]
        if others := sum(count for _, count in counts[named:]):
            parts.append(f"{others:,} others")
        if len(text := f"{total}: {', '.join(parts)}") <= width:
            return text
    return total


class _Speed:
    """Measures how fast a number grows, over the last minute."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def of(self, done: int, now: float) -> float | None:
        """Add a measurement; give the growth per second, or None after the first one."""
        self._seen.append((now, done))
        while now - self._seen[0][0] > _RATE_OVER_S:
            self._seen.popleft()
        began, before = self._seen[0]
        return (done - before) / (now - began) if now > began else None


class WatchStages:
    """Reports on a command with stages, such as `report`, which reads rows and then fetches pictures."""

    def __init__(self) -> None:
        self._stage, self._speed = "", _Speed()

    def __call__(self, now: float) -> Moment:
        """Give the progress now; `now` is a time in seconds that never decreases."""
        if PROGRESS.stage != self._stage:
            self._stage, self._speed = PROGRESS.stage, _Speed()
        total = PROGRESS.steps_in_all
        done = PROGRESS.steps if PROGRESS.steps or total else PROGRESS.counts.rows
        per_s = self._speed.of(done, now)
        eta_s = (total - done) / per_s if total and per_s else None
        return Moment(stage=self._stage, done=done, total=total, per_s=per_s, eta_s=eta_s)


class WatchRun:
    """Reports on a run, which first reads its manifest and then annotates.

    Args:
        options: the run's flags.
        budget: largest number of calls. None: unlimited.
        progress: the counts of the run.
    """

    def __init__(self, options: RunOptions, budget: int | None, progress: Progress = PROGRESS) -> None:
        self._options, self._budget, self._progress, self._speed = options, budget, progress, _Speed()

    def __call__(self, now: float) -> Moment:
        """Give the progress now; `now` is a time in seconds that never decreases."""
        stage, counts = self._progress.stage, self._progress.counts
        if not stage:
            return Moment(stage="reading rows", done=counts.rows)
        per_s = self._speed.of(counts.rows_done, now)
        price = self._options.price if self._options.is_paid else None
        return replace(
            moment_of(counts, stage, is_paid=self._options.is_paid),
            per_s=per_s,
            eta_s=self._eta_s(counts, per_s),
            credits=None if price is None else counts.calls * price,
            credits_projected=None if price is None else self._calls_in_all(counts) * price,
            waits_for=self._progress.why_slow(),
        )

    def _eta_s(self, counts: Counts, per_s: float | None) -> float | None:
        """Divide by the recent speed, or by what `--rate` allows if that is slower."""
        ceiling = self._options.rate if self._options.is_paced else None
        allowed = ceiling / counts.calls_per_row if ceiling else None
        speeds = [speed for speed in (per_s, allowed) if speed]
        return counts.rows_left / min(speeds) if speeds and counts.rows_left else None

    def _calls_in_all(self, counts: Counts) -> float:
        calls = counts.calls + counts.rows_left * counts.calls_per_row
        return calls if self._budget is None else min(calls, self._budget)


@contextmanager
def show_progress(watch: Callable[[float], Moment], talk: TalkOptions) -> Iterator[None]:
    """Show progress on stderr while the block runs."""
    over = Event()
    on_terminal = sys.stderr.isatty() and not talk.quiet and talk.log_format == "text"
    show = _show_live if on_terminal else _log
    thread = Thread(target=show, args=(watch, over), name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _log(watch: Callable[[float], Moment], over: Event) -> None:
    samples = 0
    while not over.wait(_SAMPLE_S):
        now = watch(monotonic())
        samples += 1
        if samples % _SAMPLES_A_LINE == 0:
            log_moment(now)


def log_moment(now: Moment) -> None:
    """Log a moment: as one line, or as an object in JSON."""
    LOGGER.info("%s", now.sentence(), extra={"fields": {"event": "progress", **vars(now)}})


def _show_live(watch: Callable[[float], Moment], over: Event) -> None:
    console = Console(stderr=True)
    marks = "━━" if console.encoding.startswith("utf") else "#-"
    with Live(console=console, auto_refresh=False, transient=True, redirect_stdout=False) as live:
        while not over.wait(_TERMINAL_S):
            live.update(_stacked(watch(monotonic()).lines(console.width, marks)), refresh=True)


def _stacked(lines: Sequence[Text]) -> Text:
    return Text("\n").join(lines)
