"""Show how far a run has come: a live bar on a terminal, a line every ten seconds elsewhere."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread
from time import monotonic

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeRemainingColumn,
)

from facebeam.runners.logs import LOGGER
from facebeam.transforms.steps.progress import PROGRESS

_TERMINAL_S = 0.2
_LINES_S = 10.0


@contextmanager
def show_progress(*, quiet: bool) -> Iterator[None]:
    """Show progress on stderr while the block runs."""
    over = Event()
    show = _bar if sys.stderr.isatty() and not quiet else _lines
    thread = Thread(target=show, args=(over,), name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def describe(seconds: float) -> dict[str, object]:
    """Give the numbers of the moment; the rate is over the whole run so far."""
    done = PROGRESS.rows_done
    return {
        "rows_read": PROGRESS.rows_read,
        "rows_done": done,
        "rows_per_s": round(done / seconds, 1) if seconds else 0.0,
        "faces": PROGRESS.faces,
        "dead_letters": {code.value: count for code, count in sorted(PROGRESS.dead.items())},
    }


def _lines(over: Event) -> None:
    started = monotonic()
    while not over.wait(_LINES_S):
        now = describe(monotonic() - started)
        LOGGER.info(
            "%d of %d rows, %.1f a second, %d faces, dead letters: %s",
            now["rows_done"],
            now["rows_read"],
            now["rows_per_s"],
            now["faces"],
            _failures(),
            extra={"fields": {"event": "progress", **now}},
        )


def _bar(over: Event) -> None:
    columns = [
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[more]}"),
        TimeRemainingColumn(),
    ]
    started = monotonic()
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("reading", total=None, more="")
        while not over.wait(_TERMINAL_S):
            now = describe(monotonic() - started)
            bar.update(
                task,
                description="annotating" if PROGRESS.rows_done else "reading",
                completed=PROGRESS.rows_done or PROGRESS.rows_read,
                total=PROGRESS.rows_read if PROGRESS.rows_done else None,
                more=f"{now['rows_per_s']}/s, {now['faces']} faces, dead: {_failures()}",
            )


def _failures() -> str:
    return ", ".join(f"{count} {code}" for code, count in PROGRESS.dead.most_common()) or "none"
