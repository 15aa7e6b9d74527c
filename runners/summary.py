"""Report the result of a committed run: as a table or a JSON log line, and as an exit code."""

import os
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table

from facebeam.runners.exit_codes import COMMITTED_WITH_GAPS, DONE
from facebeam.runners.flags.options import PAID
from facebeam.runners.flags.shared_options import TalkOptions
from facebeam.runners.logs import LOGGER, spared_output
from facebeam.schemas.errors import ErrorCode
from facebeam.schemas.layout import Layout
from facebeam.schemas.read_tables import readable_uri
from facebeam.schemas.run_record import RunRecord
from facebeam.schemas.tables import TABLES
from facebeam.transforms.files.any_store import is_local
from facebeam.transforms.results.dead_examples import DeadExample, dead_examples


def show_summary(layout: Layout, record: RunRecord, talk: TalkOptions) -> int:
    """Print or log the summary of a committed run, from its record; give the exit code."""
    if talk.log_format == "json":
        LOGGER.info("run %s is committed", layout.run_id, extra={"fields": summary_fields(layout, record)})
    elif not talk.quiet:
        with spared_output():
            _print(layout, record)
    return _verdict(record)


def spent_credits(record: RunRecord) -> float | None:
    """Give the most that the calls can have cost, in credits; None if the source is free."""
    is_paid = record.facts.options.get("source") in PAID
    return record.calls.sent * record.facts.number("price", 0.0) if is_paid else None


def summary_table(record: RunRecord) -> Table:
    """Give the counts of a run as a table to print."""
    counts, calls, spent = record.counts, record.calls, spent_credits(record)
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
    if calls.faces_left_out:
        table.add_row("  left out by --min-score", f"{calls.faces_left_out:,}")
    table.add_row("images", f"{calls.images:,}")
    table.add_row("  from the journal", f"{calls.from_journal:,}")
    if spent is not None:
        table.add_row("calls sent", f"{calls.sent:,}")
        table.add_row("  retries", f"{calls.retries:,}")
        table.add_row("  without answer, maybe billed", f"{calls.maybe_billed:,}")
        table.add_row("credits at most", f"{spent:,.4f}")
    table.add_row("seconds", f"{record.seconds:.1f}")
    return table


def _verdict(record: RunRecord) -> int:
    """Log an error if the run stopped early or has too many dead letters; give the exit code."""
    counts, allowed = record.counts, record.facts.number("max_failure_share", 1.0)
    codes = [ErrorCode.named(code) for code in counts.dead]
    # `--source fake` also imitates failures of an account, but they do not stop its run.
    has_account = spent_credits(record) is not None
    stopping = any(code.about.stops_the_run for code in codes)
    if record.calls.not_sent or (has_account and stopping):
        LOGGER.error(
            "run %s is committed, but stopped early: %d images were not asked for (%s); run again to "
            "continue, with another run id",
            record.run_id,
            record.calls.not_sent,
            _explained(_what_stopped(codes, counts.dead)),
        )
        return COMMITTED_WITH_GAPS
    if counts.failure_share > allowed:
        LOGGER.error(
            "run %s is committed, but %.1f %% of its rows are dead letters; --max-failure-share allows "
            "%.1f %%; the most frequent code is %s",
            record.run_id,
            100 * counts.failure_share,
            100 * allowed,
            _explained(max(codes, key=counts.dead.__getitem__)),
        )
        return COMMITTED_WITH_GAPS
    return DONE


def _what_stopped(codes: Sequence[ErrorCode], dead: Mapping[str, int]) -> ErrorCode:
    """Give the code that stopped the run, even if other codes have more dead letters."""
    stopping = (code for code in codes if code.about.can_stop_the_run)
    return max(stopping, key=lambda code: (code.about.stops_the_run, dead[code]))


def _explained(code: ErrorCode) -> str:
    return f"{code}: {code.meaning}"


def _print(layout: Layout, record: RunRecord) -> None:
    console = Console()
    console.print(f"run {layout.run_id}", soft_wrap=True, highlight=False)
    console.print(summary_table(record))
    for code, (example, cure) in _explained_codes(layout, record).items():
        said = f": {example.message}" if example else ""
        console.print(f"{code}{said}\n  cure: {cure}", soft_wrap=True, highlight=False, markup=False)
    for table in TABLES:  # soft_wrap: a path must stay in one piece, so that users can copy it
        path = layout.published(table)
        console.print(f"{table:13} {path}", soft_wrap=True, highlight=False, markup=False)
    faces = layout.published("faces")
    path = os.path.abspath(faces) if is_local(faces) else readable_uri(faces)  # noqa: PTH100 - a text
    opening = f"import pandas; faces = pandas.read_parquet({path!r})"
    console.print(f"open them     {opening}", soft_wrap=True, highlight=False, markup=False)


def _explained_codes(layout: Layout, record: RunRecord) -> dict[str, tuple[DeadExample | None, str]]:
    """Give an example and the cure for each error code, the most frequent code first."""
    examples = dead_examples(layout, record)
    commonest = sorted(record.counts.dead, key=lambda code: -record.counts.dead[code])
    return {code: (examples.get(code), ErrorCode.named(code).cure) for code in commonest}


def summary_fields(layout: Layout, record: RunRecord) -> dict[str, object]:
    """Give the summary as fields of a JSON log line."""
    counts = record.counts
    return {
        "event": "committed",
        "run_id": record.run_id,
        "rows": counts.rows_read,
        "ok": counts.ok,
        "no_face": counts.no_face,
        "dead_letters": dict(counts.dead),
        "examples": {
            code: {"cure": cure, **(example._asdict() if example else {})}
            for code, (example, cure) in _explained_codes(layout, record).items()
        },
        "faces": counts.faces,
        "calls": record.calls._asdict(),
        "credits": spent_credits(record),
        "seconds": round(record.seconds, 3),
        "output": layout.output,
    }
