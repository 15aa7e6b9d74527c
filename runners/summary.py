"""What a run says of itself when it is committed."""

from rich.console import Console
from rich.table import Table

from runners.exit_codes import COMMITTED, TOO_MANY_FAILURES
from runners.logs import LOGGER
from runners.options import AnnotateOptions
from schemas.layout import Layout
from schemas.run_record import RunCounts
from schemas.tables import TABLES
from transforms.output_files import read_json


def show_summary(layout: Layout, options: AnnotateOptions, seconds: float) -> int:
    """Tell what a committed run came to; give its exit code."""
    counts = RunCounts(**read_json(layout.run_json)["counts"])
    if options.log_format == "json":
        _log(layout, counts, seconds)
    elif not options.quiet:
        _print(layout, counts, seconds)
    if counts.failure_share <= options.max_failure_share:
        return COMMITTED
    LOGGER.error(
        "run %s is committed, but %.1f %% of its rows are dead letters; --max-failure-share allows %.1f %%",
        layout.run_id,
        100 * counts.failure_share,
        100 * options.max_failure_share,
    )
    return TOO_MANY_FAILURES


def summary_table(counts: RunCounts, seconds: float) -> Table:
    """Lay the counts out for a person."""
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
    table.add_row("seconds", f"{seconds:.1f}")
    return table


def _print(layout: Layout, counts: RunCounts, seconds: float) -> None:
    console = Console()
    console.print(f"run {layout.run_id}", soft_wrap=True, highlight=False)
    console.print(summary_table(counts, seconds))
    for table in TABLES:  # paths are for copying: in one piece, whatever the terminal's width
        console.print(f"{table:13} {layout.published(table)}", soft_wrap=True, highlight=False)
    opening = f'import pandas; faces = pandas.read_parquet("{layout.published("faces")}")'
    console.print(f"open them     {opening}", soft_wrap=True, highlight=False, markup=False)


def _log(layout: Layout, counts: RunCounts, seconds: float) -> None:
    fields = {
        "event": "committed",
        "run_id": layout.run_id,
        "rows": counts.rows_read,
        "ok": counts.ok,
        "no_face": counts.no_face,
        "dead_letters": dict(counts.dead),
        "faces": counts.faces,
        "seconds": round(seconds, 3),
        "output": layout.output,
    }
    LOGGER.info("run %s is committed", layout.run_id, extra={"fields": fields})
