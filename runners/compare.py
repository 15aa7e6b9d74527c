"""`facebeam compare`: show what two committed runs have in common, and where they differ."""

from rich.console import Console
from rich.table import Table

from facebeam.runners.exit_codes import DONE
from facebeam.runners.flags.compare_options import CompareOptions
from facebeam.runners.flags.result_options import OtherRunOptions
from facebeam.runners.logs import LOGGER, spared_output
from facebeam.runners.prepare_run import use_remote_files
from facebeam.schemas.errors import RunError
from facebeam.transforms.results.chosen_rows import LATEST, committed_tables, run_called
from facebeam.transforms.results.compare_runs import Comparison, Side, compare_runs, count_rows, side_names


def compare(options: CompareOptions) -> int:
    """Compare the two runs and print the result; give the exit code.

    Raises:
        RunError: an output has no such run, both runs are the same, or no image is in both.
    """
    one, other = sides(options.output, options.run, options)
    found = compare_runs(one, other, options.key)
    if options.log_format == "json":
        LOGGER.info("compared", extra={"fields": {"event": "compared", **fields(found)}})
    elif not options.quiet:
        with spared_output():
            _print(found)
    return DONE


def sides(output: str, run: str, options: OtherRunOptions) -> tuple[Side, Side]:
    """Find the two runs; raises RunError if one does not exist, or if both are the same."""
    with_output = options.with_output or output
    use_remote_files([output, with_output])
    one = Side(output, run_called(committed_tables(output), output, run))
    with_run = run_called(committed_tables(with_output), with_output, options.with_ or LATEST)
    other = Side(with_output, with_run)
    if (one.output.rstrip("/"), one.run) == (other.output.rstrip("/"), other.run):
        raise RunError(f"both runs are run {one.run} of {output}: name another one with --with")
    return one, other


def fields(found: Comparison) -> dict[str, object]:
    """Give a comparison as fields of a JSON log line; distances are in % of the eye distance."""
    return {
        "runs": [_side(found.one), _side(found.other)],
        "models_differ": found.models_differ,
        "images_in_both": found.both,
        "outcomes_that_differ": [
            {"outcomes": [*pair], "images": count} for pair, count in found.outcomes.most_common()
        ],
        "faces_matched": found.matched,
        "distances": {name: spread._asdict() for name, spread in found.spreads().items()},
    }


def _side(side: Side) -> dict[str, object]:
    models = [{"source": source, "version": version} for source, version in sorted(side.models)]
    return {
        "output": side.output,
        "run_id": side.run,
        "models": models,
        "rows": side.rows,
        "rows_that_repeat": side.repeated,
        "images_only_here": side.only_here,
        "faces_only_here": side.unmatched,
    }


def _print(found: Comparison) -> None:
    console, both = Console(soft_wrap=True, highlight=False, markup=False), [found.one, found.other]
    for letter, name, side in zip("AB", side_names(both), both, strict=True):
        models = ", ".join(f"{source} {version}" for source, version in sorted(side.models))
        console.print(f"{letter}: {name} ({models or 'no answers'})")
    if found.models_differ:
        console.print("the runs have different sources or model versions")
    console.print(_counts(found))
    if spreads := found.spreads():
        table = Table("distance in % of the eye distance", title_justify="left")
        for column in ("median", "90 %", "worst"):
            table.add_column(column, justify="right")
        for region, spread in spreads.items():
            table.add_row(region.replace("_", " "), *(f"{value:.2f}" for value in spread))
        console.print(table)


def _counts(found: Comparison) -> Table:
    table = Table("", show_header=True)
    for name in "AB":
        table.add_column(name, justify="right")
    for label, one, other in count_rows(found):
        table.add_row(label, one, other)
    return table
