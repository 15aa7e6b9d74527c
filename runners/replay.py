"""`facebeam replay`: run the dead letters of earlier runs again, as a new run into the same output."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from facebeam.runners.annotate import annotate
from facebeam.runners.exit_codes import DONE
from facebeam.runners.flags.flag import Inherited, flags_of, spelled
from facebeam.runners.flags.option_types import ALL_RUNS
from facebeam.runners.flags.options import USUAL_SERVICE, RunOptions, parse_run, run_parser
from facebeam.runners.flags.replay_options import ReplayOptions
from facebeam.runners.logs import LOGGER
from facebeam.runners.output_folder import without_rights
from facebeam.runners.prepare_run import use_remote_files
from facebeam.schemas.errors import RunError
from facebeam.schemas.layout import Layout
from facebeam.schemas.run_record import agreed_options
from facebeam.schemas.values import Outcome
from facebeam.transforms.files.any_store import files_below
from facebeam.transforms.results.chosen_rows import LATEST
from facebeam.transforms.steps import publish
from facebeam.transforms.steps.no_face_rows import write_no_face_rows


def replay(chosen: ReplayOptions) -> int:
    """Run the rows with the chosen results again; give the exit code of `facebeam annotate`.

    Raises:
        RunError: there is no such run, or its rows cannot be run again with these flags.
    """
    use_remote_files([chosen.output])
    if chosen.run == LATEST and (last := publish.last_committed_run(chosen.output)):
        chosen = replace(chosen, run=last)
    runs = committed_runs(chosen.output, chosen.run)
    letters = dead_letter_files(chosen.output, chosen.run, chosen.codes)
    asked_by = runs if Outcome.NO_FACE in chosen.codes else sorted({*map(_run_of, letters)})
    inherited = options_of(chosen.output, asked_by or runs[-1:], chosen.flags)
    options = _options(chosen, inherited)
    with without_rights(options.umask):
        files = (*letters, *no_face_files(chosen.output, runs, chosen.codes))
    if not files:
        LOGGER.info("no row ended as %s: nothing to do", ", ".join(chosen.codes))
        return DONE
    return annotate(replace(options, manifest=files))


def _options(chosen: ReplayOptions, inherited: Mapping[str, object]) -> RunOptions:
    """Parse the flags of the new run, without its manifest; a wrong flag ends the process with code 2."""
    ours = ["--manifest", "of the replay", "--output", chosen.output, "--ask-again", ",".join(chosen.codes)]
    strict = {"max_failure_share": 0.0}  # the exit code tells whether every row has its answer now
    options = parse_run(run_parser("facebeam replay"), [*ours, *chosen.flags], {**inherited, **strict})
    if options.is_service and inherited.get("base_url", USUAL_SERVICE) != USUAL_SERVICE:
        LOGGER.warning(
            "the token is sent to %s, as the record of that run says; --base-url changes it",
            options.base_url,
        )
    return replace(options, quiet=chosen.quiet, log_format=chosen.log_format)


def committed_runs(output: str, run: str) -> list[str]:
    """List the committed runs to replay: the run with this id, or `all` runs of an output.

    Raises:
        RunError: there is no such run.
    """
    if run == ALL_RUNS:
        if not (runs := publish.committed_runs(output)):
            raise RunError(f"{output} has no committed run: correct --output")
        return runs
    if not publish.is_committed(Layout(output, run)):
        raise RunError(f"{output} has no committed run {run}: 'facebeam runs' lists them; or give --run all")
    return [run]


def options_of(output: str, runs: Iterable[str], flags: Sequence[str]) -> Mapping[str, object]:
    """Give the options that a replay inherits from its runs: those with the same value in all of them.

    Options that a given flag sets or replaces are left out, for example the token file if the flags name a
    secret.

    Raises:
        RunError: the runs ask different questions about images, and no flag chooses one.
    """
    records = [publish.read_record(Layout(output, run)) for run in runs]
    agreed = agreed_options(records)
    given = {flag.partition("=")[0].removeprefix("--").replace("-", "_") for flag in flags}
    found: dict[str, object] = {}
    for name, flag in flags_of(RunOptions).items():
        values = {str(each.facts.options[name]) for each in records if name in each.facts.options}
        if not values or name in given or flag.instead_of in given or flag.inherited is None:
            continue
        if name in agreed:
            found[name] = agreed[name]
        elif flag.inherited is Inherited.QUESTION:
            differing = " and ".join(sorted(values))
            raise RunError(f"these runs differ in {spelled(name)} ({differing}): give this flag")
    return found


def dead_letter_files(output: str, run: str, codes: Collection[str]) -> list[str]:
    """List the files of dead letters with one of these codes, of one run or of `all` runs."""
    wanted = {f"error_code={code}" for code in codes}
    return [path for path in _files(output, run, "dead_letters") if path.split("/")[-2] in wanted]


def _run_of(dead_letters: str) -> str:
    """Give the id of the run that wrote a file of dead letters."""
    return dead_letters.split("/")[-3].removeprefix("run=")


def no_face_files(output: str, runs: Collection[str], codes: Collection[str]) -> list[str]:
    """If `no_face` is chosen, write each run's rows without a face into a manifest beside its record."""
    if Outcome.NO_FACE not in codes:
        return []
    manifests = {run: Layout(output, run).no_face_manifest for run in runs}
    return [
        path for run, path in manifests.items() if write_no_face_rows(_files(output, run, "images"), path)
    ]


def _files(output: str, run: str, table: str) -> list[str]:
    """List the files of a table, of one run or of `all` runs."""
    folder = Layout(output, "").folder(table) if run == ALL_RUNS else Layout(output, run).published(table)
    return sorted(files_below(folder))
