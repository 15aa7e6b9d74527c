"""What a replay does as its runs did: the same questions, asked in the same manner."""

from collections.abc import Iterable, Mapping, Sequence

from runners.flags import Inherited, flags_of, spelled
from runners.option_types import ALL_RUNS
from runners.options import RunOptions
from schemas.errors import RunError
from schemas.layout import RUNS, Layout


def committed_runs(output: str, run: str) -> list[str]:
    """Name the committed runs that are meant: one, or `all` of an output.

    Raises:
        RunError: there is none.
    """
    from transforms import publish  # noqa: PLC0415 - imports Beam

    if run == ALL_RUNS:
        if not (runs := publish.committed_runs(output)):
            raise RunError(f"{output} has no committed run: correct --output")
        return runs
    if not publish.is_committed(Layout(output, run)):
        raise RunError(f"{output} has no committed run {run}: look into {output}/{RUNS}, or say --run all")
    return [run]


def options_of(output: str, runs: Iterable[str], flags: Sequence[str]) -> Mapping[str, object]:
    """Give the options that a replay takes over from its runs: those in which they agree.

    Where a flag names the token's place, the runs' is none any more.

    Raises:
        RunError: they ask different questions, and no flag says which is meant.
    """
    from transforms.output_files import read_json  # noqa: PLC0415 - imports Beam

    records = [read_json(Layout(output, run).run_json)["options"] for run in runs]
    given = {flag.partition("=")[0].removeprefix("--").replace("-", "_") for flag in flags}
    found: dict[str, object] = {}
    for name, flag in flags_of(RunOptions).items():
        values = [record[name] for record in records if name in record]
        if not values or name in given or flag.instead_of in given or flag.inherited is None:
            continue
        if all(value == values[0] for value in values):
            found[name] = tuple(values[0]) if isinstance(values[0], list) else values[0]
        elif flag.inherited is Inherited.QUESTION:
            differing = " and ".join(sorted({str(value) for value in values}))
            raise RunError(f"these runs differ in {spelled(name)}, {differing}: say which with it")
    return found
