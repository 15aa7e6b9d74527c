"""`facebeam register`: list the files of all committed runs in a Delta log, where they are."""

from typing import TYPE_CHECKING

from facebeam.runners.exit_codes import DONE
from facebeam.runners.flags.register_options import RegisterOptions
from facebeam.runners.logs import LOGGER
from facebeam.runners.output_folder import without_rights
from facebeam.runners.prepare_run import use_remote_files
from facebeam.schemas.errors import RunError
from facebeam.schemas.tables import TABLES
from facebeam.transforms.files.any_store import is_installed
from facebeam.transforms.results.chosen_rows import committed_tables

if TYPE_CHECKING:
    from facebeam.transforms.results.delta_log import Registered


def register(options: RegisterOptions) -> int:
    """Bring the Delta logs of an output up to date; give the exit code.

    Raises:
        RunError: the output has no committed run, a log cannot be written, or a run does not fit into it.
    """
    if not is_installed("deltalake"):
        raise RunError("deltalake is not installed: pip install 'facebeam[delta]'")
    from facebeam.transforms.results.delta_log import register_table  # noqa: PLC0415 - an extra

    use_remote_files([options.output])
    runs = committed_tables(options.output).runs
    misfits: dict[str, str] = {}
    with without_rights(options.umask):
        for table in TABLES:
            done = register_table(options.output, table, runs)
            misfits |= done.misfits
            _report(table, done)
    if misfits:
        run, misfit = next(iter(misfits.items()))
        raise RunError(
            f"run {run} is not registered: {misfit}; a column of a Delta table has one type. "
            f"Such runs: {len(misfits)}; docs/read.md reads them without a log"
        )
    return DONE


def _report(table: str, done: "Registered") -> None:
    if done.left_out:
        names = ", ".join(map(repr, sorted(done.left_out)))
        LOGGER.warning("the log of %s leaves out %s: Delta has no such type", table, names)
    fields = {"event": "registered", "table": table, "added": done.added, "removed": done.removed}
    counts = (table, len(done.added), len(done.removed))
    LOGGER.info("%s: runs added to the log: %d, removed: %d", *counts, extra={"fields": fields})
