"""`facebeam plan`: show what `facebeam annotate` with these flags would send and cost; send nothing."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from facebeam.runners.clusters.dataflow_size import (
    LOCAL_CPU_S,
    JobSize,
    size_for_model,
    size_for_service,
    too_long,
)
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


class Prediction(NamedTuple):
    """What is known of a run before it starts."""

    plan: RunPlan
    calls: int
    """The number of calls that budget and time allow."""
    size: JobSize | None
    """Proposed size on Dataflow; None: another engine, or unknown."""


def plan(options: RunOptions) -> int:
    """Plan one run and print the plan; give the exit code.

    Raises:
        RunError: the run could not be started with these flags.
    """
    paths = (*options.manifest, options.output, options.journal)
    use_remote_files(paths, options.beam_flags, options.cluster.runner)
    with made_manifests(options) as made, show_progress(WatchStages(), options):
        predicted = _predict(made)
    if options.log_format == "json":
        LOGGER.info("planned", extra={"fields": _fields(predicted, options)})
    else:
        with spared_output():
            Console().print(plan_table(predicted, options))
    return DONE


def plan_table(predicted: Prediction, options: RunOptions) -> Table:
    """Give a plan as a table to print."""
    plan, calls, size = predicted
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
        table.add_row("credits", f"{_credits(calls, options):,.4f}")
    if options.is_paid or size:
        seconds = _seconds(predicted, options)
        at_least = "unknown without --rate" if seconds is None else str(timedelta(seconds=round(seconds)))
        table.add_row("time at least", at_least)
    if size:
        _add_size(table, size, options)
    return table


def _add_size(table: Table, size: JobSize, options: RunOptions) -> None:
    if not options.is_paced:
        table.add_row("  if an image takes", f"{LOCAL_CPU_S * 1000:.0f} ms of CPU")
    table.add_row("runs for all images", f"{size.runs:,}")
    table.add_row("shards", f"{size.shards:,}")
    table.add_row("workers", f"{size.workers:,}")
    table.add_row("machine hours", f"{size.machine_hours:,.1f}")
    table.add_row("flags", size.flags())


def _fields(predicted: Prediction, options: RunOptions) -> dict[str, object]:
    """Give a plan as fields of a JSON log line: its counts, and the cost, time and size of its run."""
    plan, calls, size = predicted
    fields: dict[str, object] = {"event": "planned", **plan._asdict()}
    fields |= {"duplicates": plan.duplicates, "calls": calls}
    if options.is_paid:
        fields["credits"] = _credits(calls, options)
    if options.is_paid or size:
        fields["seconds"] = _seconds(predicted, options)
    if size:
        fields |= {"runs": size.runs, "shards": size.shards, "workers": size.workers}
        fields |= {"machine_hours": size.machine_hours, "flags": size.flags()}
    return fields


def _credits(calls: int, options: RunOptions) -> float:
    return calls * options.price


def _seconds(predicted: Prediction, options: RunOptions) -> float | None:
    """Give the shortest time of the run in seconds; None: unknown."""
    if options.is_paid:
        return predicted.calls / options.rate if options.rate else None
    share = predicted.calls / max(1, predicted.plan.calls)
    return predicted.size.seconds * share if predicted.size else None


def _predict(options: RunOptions) -> Prediction:
    """Read manifest and journal, and predict the run.

    Raises:
        RunError: the run could not be started with these flags.
    """
    check_beam_flags(options.beam_flags, options.cluster.runner)
    manifest, now = find_manifest(options), datetime.now(UTC)
    limits = limits_of(options, now)
    source, shards = choose_source(options, limits), shards_for(options, manifest)
    check_shards(source, shards)
    everything = not options.is_service or options.allow_private_urls
    plan = plan_run(
        manifest,
        partial(question_of(options).key, source.identity),
        replace(choose_journal(options), tidy=False),
        lambda url: everything or is_fit_to_send(url),
        options.ask_again,
    )
    limit_s = (limits.stop_at - now).total_seconds() if limits.stop_at else None
    size = _size(plan, shards, limit_s, options)
    most = [plan.calls] if limits.calls is None else [plan.calls, limits.calls]
    if limit_s and options.is_paid and options.rate:
        most.append(1 + int(options.rate * limit_s))
    elif limit_s and size and size.seconds > limit_s:
        most.append(int(plan.calls * limit_s / size.seconds))
    return Prediction(plan, min(most), size)


def _size(plan: RunPlan, shards: int, limit_s: float | None, options: RunOptions) -> JobSize | None:
    """Propose a size for a run on Dataflow; warn if Dataflow would end it before its time."""
    if options.cluster.runner != "dataflow" or limit_s is None:
        return None
    if warning := too_long(limit_s):
        LOGGER.warning("%s", warning)
    if options.source == "local":
        return size_for_model(plan.calls, shards, limit_s, options.cluster.max_num_workers)
    return size_for_service(plan.calls, options.rate, shards, limit_s) if options.rate else None
