"""`facebeam replay`: the dead letters of a run once more, as a new run into the same output."""

import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from textwrap import fill
from typing import Annotated, ClassVar, Final

from facebeam.runners.annotate import run_manifest
from facebeam.runners.exit_codes import COMMITTED, WRONG_SETUP
from facebeam.runners.flags import option_types as types
from facebeam.runners.flags.flag import Flag, Inherited, OptionsParser, flags_of, spelled
from facebeam.runners.flags.option_types import ALL_RUNS
from facebeam.runners.flags.options import USUAL_SERVICE, RunOptions, parse_run, run_parser
from facebeam.runners.logs import LOGGER, set_up_logs
from facebeam.schemas.errors import ErrorCode, RunError
from facebeam.schemas.layout import RUNS, Layout
from facebeam.schemas.values import Outcome


def committed_runs(output: str, run: str) -> list[str]:
    """Name the committed runs that are meant: one, or `all` of an output.

    Raises:
        RunError: there is none.
    """
    from facebeam.transforms.steps import publish  # noqa: PLC0415 - imports Beam

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
    from facebeam.transforms.files.any_store import read_json  # noqa: PLC0415 - imports Beam

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


_OURS: Final = ("--manifest", "--ask-again")


@dataclass(frozen=True, kw_only=True)
class _Letters:
    TITLE: ClassVar[str] = "what is run again"

    output: Annotated[str, Flag("folder of the tables of all runs", types.path, "DIR")]
    run: Annotated[
        str,
        Flag(
            "run to take dead letters from, or 'all' for every run (a row that failed in several runs then "
            "appears once per run)",
            types.run_id,
            "ID",
        ),
    ]
    codes: Annotated[
        tuple[str, ...],
        Flag(f"error codes, or no_face, separated by commas: {', '.join(ErrorCode)}", types.codes, "CODES"),
    ]


@dataclass(frozen=True, kw_only=True)
class ReplayOptions(_Letters):
    """Which rows are run again."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the dead letters of these codes again; give the exit code."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    chosen, flags = _parse(arguments)
    set_up_logs("text", quiet=False)  # until it is known what is wanted
    parser = run_parser("facebeam replay")
    again = ["--manifest", "of the replay", "--output", chosen.output, "--ask-again", ",".join(chosen.codes)]
    from facebeam.runners.prepare_run import use_remote_files  # noqa: PLC0415 - pyarrow, after the flags

    try:
        use_remote_files([chosen.output])
        runs = committed_runs(chosen.output, chosen.run)
        letters = dead_letter_files(chosen.output, chosen.run, chosen.codes)
        asked_by = runs if Outcome.NO_FACE in chosen.codes else sorted({*map(_run_of, letters)})
        inherited = options_of(chosen.output, asked_by or runs[-1:], flags)
        options = parse_run(parser, [*again, *flags], inherited)
        set_up_logs(options.log_format, quiet=options.quiet)
        if options.is_service and inherited.get("base_url", USUAL_SERVICE) != USUAL_SERVICE:
            LOGGER.warning(
                "the token is sent to %s, as the record of that run says; --base-url changes it",
                options.base_url,
            )
        files = (*letters, *no_face_files(chosen.output, runs, chosen.codes))
    except RunError as error:
        LOGGER.error("%s", error)
        return WRONG_SETUP
    if not files:
        LOGGER.info("no row ended as %s: nothing to do", ", ".join(chosen.codes))
        return COMMITTED
    return run_manifest(replace(options, manifest=files))


def dead_letter_files(output: str, run: str, codes: Collection[str]) -> list[str]:
    """List the dead letters' files of one run, or of `all`, that have one of these codes."""
    wanted = {f"error_code={code}" for code in codes}
    return [path for path in _files(output, run, "dead_letters") if path.split("/")[-2] in wanted]


def _run_of(dead_letters: str) -> str:
    """Read which run a file of dead letters is from."""
    return dead_letters.split("/")[-3].removeprefix("run=")


def no_face_files(output: str, runs: Collection[str], codes: Collection[str]) -> list[str]:
    """Write each run's rows without a face into a manifest beside its record, where they were asked for."""
    if Outcome.NO_FACE not in codes:
        return []
    from facebeam.transforms.steps.no_face_rows import write_no_face_rows  # noqa: PLC0415 - imports Beam

    manifests = {run: Layout(output, run).no_face_manifest for run in runs}
    return [
        path for run, path in manifests.items() if write_no_face_rows(_files(output, run, "images"), path)
    ]


def _files(output: str, run: str, table: str) -> list[str]:
    """List a table's files, of one run or of `all`."""
    from facebeam.transforms.files.any_store import files_below  # noqa: PLC0415 - imports Beam

    folder = (
        Layout(output, "").folder(table) if run == types.ALL_RUNS else Layout(output, run).published(table)
    )
    return sorted(files_below(folder))


def _parse(arguments: Sequence[str]) -> tuple[ReplayOptions, list[str]]:
    """Parse the flags that are replay's own, and give the others; a wrong one ends the process with 2."""
    parser = replay_parser()
    chosen, flags = parser.parse(arguments)
    for flag in flags:
        if flag.partition("=")[0] in _OURS:
            parser.error(f"{flag}: what is run again is said by --run and --codes")
    if Outcome.OK in chosen.codes:
        parser.error(
            "--codes ok: answered rows are no dead letters; annotate the manifest with --ask-again ok"
        )
    return chosen, flags


def replay_parser() -> OptionsParser[ReplayOptions]:
    """Build the parser of the flags that are replay's own."""
    inherited = ", ".join(spelled(name) for name, flag in flags_of(RunOptions).items() if flag.inherited)
    return OptionsParser(
        ReplayOptions,
        "facebeam replay",
        "Run dead letters, or rows without a face, again: as a new run into the same output.",
        fill(
            f"All flags of 'facebeam annotate' but {' and '.join(_OURS)} are taken as well. These keep the "
            f"values of the replayed run, or of all replayed runs that agree: {inherited}.",
            width=100,
            break_on_hyphens=False,
        ),
    )
