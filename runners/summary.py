"""What a run says of itself when it is committed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from rich.console import Console
from rich.table import Table

from facebeam.runners.exit_codes import COMMITTED_WITH_GAPS, DONE
from facebeam.runners.flags.options import PAID
from facebeam.runners.flags.shared_options import TalkOptions
from facebeam.runners.logs import LOGGER, spared_output
from facebeam.schemas.errors import ErrorCode
from facebeam.schemas.layout import Layout
from facebeam.schemas.run_record import CallCounts, RunCounts
from facebeam.schemas.tables import TABLES
from facebeam.transforms.files.any_store import read_json


@dataclass(frozen=True)
class Summary:
    """What a committed run came to."""

    layout: Layout
    counts: RunCounts
    calls: CallCounts
    credits: float | None
    """What the calls cost at most; None where they are free."""
    seconds: float


def show_summary(layout: Layout, talk: TalkOptions) -> int:
    """Tell what a committed run came to, from its own record; give its exit code."""
    record = read_json(layout.run_json)
    options = record["options"]
    counts, calls = RunCounts(**record["counts"]), CallCounts(**record["calls"])
    spent = calls.sent * options["price"] if options["source"] in PAID else None
    took = datetime.fromisoformat(record["committed_at"]) - datetime.fromisoformat(record["started_at"])
    summary = Summary(layout, counts, calls, spent, took.total_seconds())
    if talk.log_format == "json":
        LOGGER.info("run %s is committed", layout.run_id, extra={"fields": _fields(summary)})
    elif not talk.quiet:
        with spared_output():
            _print(summary)
    return _verdict(summary, options["max_failure_share"])


def summary_table(summary: Summary) -> Table:
    """Lay the counts out for a person."""
    counts, calls = summary.counts, summary.calls
    table = Table(show_header=False)
    table.add_column(style="bold")
    table.add_column(justify="right")
    table.add_row("rows", f"{counts.rows_read:,}")
    table.add_row("ok", f"{counts.ok:,}")
    table.add_row("no face", f"{counts.no_face:,}")
    table.add_row("dead letters", f"{counts.dead_total:,}")
    for code, count in sorted(counts.dead.items(), key=lambda item: -item[1]):
        table.add_row(f"  {code}", f"{count:,}")
    table.add_row("faces", f"{counts.faces:,}")
    table.add_row("images", f"{calls.images:,}")
    table.add_row("  from the journal", f"{calls.from_journal:,}")
    if summary.credits is not None:
        table.add_row("calls sent", f"{calls.sent:,}")
        table.add_row("  retries", f"{calls.retries:,}")
        table.add_row("  without answer, maybe billed", f"{calls.maybe_billed:,}")
        table.add_row("credits at most", f"{summary.credits:,.4f}")
    table.add_row("seconds", f"{summary.seconds:.1f}")
    return table


def _verdict(summary: Summary, max_failure_share: float) -> int:
    """Say what is missing in the run; give the exit code."""
    counts, run_id = summary.counts, summary.layout.run_id
    codes = [ErrorCode.named(code) for code in counts.dead]
    has_account = summary.credits is not None  # made-up faces rehearse its failures, and stop for none
    stopping = any(code.about.stops_the_run for code in codes)
    if summary.calls.not_sent or (has_account and stopping):
        LOGGER.error(
            "run %s is committed, but stopped early: %d images were not asked for (%s); run again to go on: "
            "as a new run, since this one is over",
            run_id,
            summary.calls.not_sent,
            _explained(_what_stopped(codes, counts.dead)),
        )
        return COMMITTED_WITH_GAPS
    if counts.failure_share > max_failure_share:
        LOGGER.error(
            "run %s is committed, but %.1f %% of its rows are dead letters; --max-failure-share allows "
            "%.1f %%; the commonest is %s",
            run_id,
            100 * counts.failure_share,
            100 * max_failure_share,
            _explained(max(codes, key=counts.dead.__getitem__)),
        )
        return COMMITTED_WITH_GAPS
    return DONE


def _what_stopped(codes: Sequence[ErrorCode], dead: Mapping[str, int]) -> ErrorCode:
    """Name the code that stopped the run: rows that are dead for other reasons may well be more."""
    stopping = (code for code in codes if code.about.can_stop_the_run)
    return max(stopping, key=lambda code: (code.about.stops_the_run, dead[code]))


def _explained(code: ErrorCode) -> str:
    return f"{code}: {code.meaning}"


def _print(summary: Summary) -> None:
    layout, console = summary.layout, Console()
    console.print(f"run {layout.run_id}", soft_wrap=True, highlight=False)
    console.print(summary_table(summary))
    for table in TABLES:  # paths are for copying: in one piece, whatever the terminal's width
        path = layout.published(table)
        console.print(f"{table:13} {path}", soft_wrap=True, highlight=False, markup=False)
    opening = f'import pandas; faces = pandas.read_parquet("{layout.published("faces")}")'
    console.print(f"open them     {opening}", soft_wrap=True, highlight=False, markup=False)


def _fields(summary: Summary) -> dict[str, object]:
    counts = summary.counts
    return {
        "event": "committed",
        "run_id": summary.layout.run_id,
        "rows": counts.rows_read,
        "ok": counts.ok,
        "no_face": counts.no_face,
        "dead_letters": dict(counts.dead),
        "faces": counts.faces,
        "calls": summary.calls._asdict(),
        "credits": summary.credits,
        "seconds": round(summary.seconds, 3),
        "output": summary.layout.output,
    }
