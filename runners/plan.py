"""`facebeam plan`: what `facebeam annotate` with these flags would send, cost and take; nothing is sent."""

import sys
from collections.abc import Sequence
from datetime import timedelta

from rich.console import Console
from rich.table import Table

from runners.exit_codes import COMMITTED, WRONG_SETUP
from runners.logs import LOGGER, set_up_logs
from runners.options import RunOptions, parse_run
from runners.run_flags import run_parser
from schemas.errors import RunError
from schemas.run_plan import RunPlan


def main(argv: Sequence[str] | None = None) -> int:
    """Plan one run and print the plan; give the exit code."""
    parser = run_parser("facebeam plan")
    parser.set_defaults(source="api")
    parser.description = "Tell what the run with these flags would send, cost and take. Nothing is sent."
    options = parse_run(parser, sys.argv[1:] if argv is None else argv)
    set_up_logs(options.log_format, quiet=options.quiet)
    try:
        plan = _plan(options)
    except RunError as error:
        LOGGER.error("%s", error)
        return WRONG_SETUP
    Console().print(plan_table(plan, options))
    return COMMITTED


def plan_table(plan: RunPlan, options: RunOptions) -> Table:
    """Lay a plan out for a person."""
    table = Table(show_header=False)
    table.add_column(style="bold")
    table.add_column(justify="right")
    table.add_row("rows", f"{plan.rows:,}")
    table.add_row("  no image in them", f"{plan.invalid_rows:,}")
    table.add_row("  duplicates", f"{plan.duplicates:,}")
    table.add_row("images", f"{plan.images:,}")
    table.add_row("  answered already", f"{plan.from_journal:,}")
    table.add_row("calls to send", f"{plan.calls:,}")
    if options.source == "api":
        table.add_row("credits", f"{plan.calls * options.price:,.4f}")
        table.add_row("time at least", _duration(plan.calls, options.rate))
    return table


def _duration(calls: int, rate: float | None) -> str:
    return str(timedelta(seconds=round(calls / rate))) if rate else "unknown without --rate"


def _plan(options: RunOptions) -> RunPlan:
    from runners.choose_journal import choose_journal  # noqa: PLC0415 - imports Beam
    from runners.prepare_run import choose_source, find_manifest  # noqa: PLC0415 - after the flags
    from transforms.plan_run import plan_run  # noqa: PLC0415 - imports Beam
    from transforms.questions import Question  # noqa: PLC0415 - as above

    question = Question(choose_source(options).identity, options.mode, options.need_rotate_detection)
    return plan_run(find_manifest(options), question, choose_journal(options), options.ask_again)
