"""`facebeam plan`: show what `facebeam annotate` with these flags would send and cost; send nothing."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

from rich.console import Console
from rich.table import Table

from facebeam.runners.describe_run import choose_journal, question_of
from facebeam.runners.exit_codes import DONE
from facebeam.runners.flags.beam_flags import check_beam_flags
from facebeam.runners.flags.options import RunOptions
from facebeam.runners.logs import LOGGER, spared_output
from facebeam.runners.made_manifests import made_manifests
from facebeam.runners.prepare_run import (
    check_shards,
    choose_source,
    find_manifest,
    limits_of,
    shards_for,
    use_remote_files,
)
from facebeam.runners.show_progress import WatchStages, show_progress
from facebeam.schemas.run_plan import RunPlan
from facebeam.transforms.api.fit_to_send import is_fit_to_send
from facebeam.transforms.steps.plan_run import plan_run


def plan(options: RunOptions) -> int:
    """Plan one run and print the plan; give the exit code.

    Raises:
        RunError: the run could not be started with these flags.
    """
    paths = (*options.manifest, options.output, options.journal)
    use_remote_files(paths, options.beam_flags, options.cluster.runner)
    with made_manifests(options) as made, show_progress(WatchStages(), options):
        planned, calls = _plan(made)
    if options.log_format == "json":
        LOGGER.info("planned", extra={"fields": _fields(planned, calls, options)})
    else:
        with spared_output():
            Console().print(plan_table(planned, calls, options))
    return DONE


def plan_table(plan: RunPlan, calls: int, options: RunOptions) -> Table:
    """Give a plan as a table to print; `calls` is the number of calls that budget and time allow."""
    table = Table(show_header=False)
    table.add_column(style="bold")
    table.add_column(justify="right")
    table.add_row("rows", f"{plan.rows:,}")
    table.add_row("  without a valid URL", f"{plan.invalid_rows:,}")
    table.add_row("  duplicates", f"{plan.duplicates:,}")
    table.add_row("images", f"{plan.images:,}")
    table.add_row("  answered already", f"{plan.from_journal:,}")
    if plan.not_sent:
        table.add_row("  not sent: private URLs", f"{plan.not_sent:,}")
    if calls < plan.calls:
        table.add_row("  beyond budget or time", f"{plan.calls - calls:,}")
    table.add_row("calls to send", f"{calls:,}")
    if options.is_paid:
        seconds = _seconds(calls, options)
        at_least = "unknown without --rate" if seconds is None else str(timedelta(seconds=round(seconds)))
        table.add_row("credits", f"{_credits(calls, options):,.4f}")
        table.add_row("time at least", at_least)
    return table


def _fields(plan: RunPlan, calls: int, options: RunOptions) -> dict[str, object]:
    """Give a plan as fields of a JSON log line: its counts, and the cost and shortest time of its calls."""
    counts = plan._asdict() | {"duplicates": plan.duplicates, "calls": calls}
    if not options.is_paid:
        return {"event": "planned", **counts}
    spent = {"credits": _credits(calls, options), "seconds": _seconds(calls, options)}
    return {"event": "planned", **counts, **spent}


def _credits(calls: int, options: RunOptions) -> float:
    return calls * options.price


def _seconds(calls: int, options: RunOptions) -> float | None:
    return calls / options.rate if options.rate else None


def _plan(options: RunOptions) -> tuple[RunPlan, int]:
    """Read manifest and journal; give the plan, and the number of calls that budget and time allow.

    Raises:
        RunError: the run could not be started with these flags.
    """
    check_beam_flags(options.beam_flags, options.cluster.runner)
    manifest, source = find_manifest(options), choose_source(options)
    check_shards(source, shards_for(options, manifest))
    everything = not options.is_service or options.allow_private_urls
    plan = plan_run(
        manifest,
        partial(question_of(options).key, source.identity),
        replace(choose_journal(options), tidy=False),
        lambda url: everything or is_fit_to_send(url),
        options.ask_again,
    )
    now = datetime.now(UTC)
    limits = limits_of(options, now)
    most = [plan.calls] if limits.calls is None else [plan.calls, limits.calls]
    if limits.stop_at and options.rate:
        most.append(1 + int(options.rate * (limits.stop_at - now).total_seconds()))
    return plan, min(most)
