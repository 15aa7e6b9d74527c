"""`facebeam annotate` on one machine, by Beam's FnApiRunner; also `python -m facebeam.runners.annotate`.

What can be wrong is found before Beam is imported: a mistyped path is told in a fraction of a second.
"""

import gc
import os
import sys
from collections.abc import Sequence
from typing import Final

from facebeam.runners.clusters.reach import as_workers_see_it
from facebeam.runners.exit_codes import STOPPED, WRONG_SETUP
from facebeam.runners.flags.option_types import new_run_id
from facebeam.runners.flags.options import RunOptions, parse_run, run_parser
from facebeam.runners.interrupts import ended_by_ctrl_c
from facebeam.runners.logs import LOGGER, set_up_logs
from facebeam.runners.output_folder import check_output, is_committed, run_lock
from facebeam.schemas.errors import RunError
from facebeam.schemas.layout import Layout

ONE_MACHINE: Final = ("local", "prism")


def main(argv: Sequence[str] | None = None) -> int:
    """Carry out one run; give the exit code that `--help` lists."""
    options = parse_run(run_parser(), sys.argv[1:] if argv is None else argv)
    set_up_logs(options.log_format, quiet=options.quiet)
    return run_manifest(options)


def run_manifest(options: RunOptions) -> int:
    """Carry out the run that the options describe; give its exit code."""
    from facebeam.runners.made_manifests import made_manifests  # noqa: PLC0415 - pyarrow, after the flags
    from facebeam.runners.prepare_run import use_remote_files  # noqa: PLC0415 - as above

    before = os.umask(options.umask)
    try:
        paths = (*options.manifest, options.output, options.journal)
        use_remote_files(paths, options.beam_flags, options.cluster.runner)
        with ended_by_ctrl_c(), made_manifests(options) as made:
            if options.cluster.runner not in ONE_MACHINE:
                made = as_workers_see_it(made)  # noqa: PLW2901 - the same options, spelt out
            layout = Layout(made.output, options.run_id or new_run_id(options.manifest))
            return _tell_again(made, layout) if is_committed(layout) else _run(made, layout)
    except RunError as error:
        LOGGER.error("%s", error)
        return WRONG_SETUP
    except KeyboardInterrupt:  # while the run's own way to stop is not in place yet
        LOGGER.error("stopped before the run began: nothing was started")
        return STOPPED
    finally:
        os.umask(before)


def _tell_again(options: RunOptions, layout: Layout) -> int:
    """Report a run that is over as it was reported then: gaps do not close by asking again.

    Raises:
        RunError: what is asked for is another run under the same id.
    """
    from facebeam.runners.earlier_runs import what_differs  # noqa: PLC0415 - imports Beam
    from facebeam.runners.summary import show_summary  # noqa: PLC0415 - imports Beam
    from facebeam.transforms.files.any_store import read_json  # noqa: PLC0415 - imports Beam

    if difference := what_differs(options, layout, read_json(layout.run_json)):
        raise RunError(
            f"run {layout.run_id} is committed already as another run: {difference}. Nothing was done; give "
            "this run a --run-id of its own"
        )
    LOGGER.info("run %s is committed already: nothing to do", layout.run_id)
    return show_summary(layout, options)


def _run(options: RunOptions, layout: Layout) -> int:
    from facebeam.runners.prepare_run import check_source, find_manifest  # noqa: PLC0415 - pyarrow, after the flags

    manifest = find_manifest(options)
    check_output(options.output)
    if options.cluster.runner not in ONE_MACHINE:
        from facebeam.runners.clusters.submit import submit_run  # noqa: PLC0415 - Beam, and the engine's own libraries

        with run_lock(layout):
            return submit_run(options, layout, manifest)
    check_source(options)
    with run_lock(layout):
        _collect_garbage_seldom()
        from facebeam.runners.in_process import carry_out  # noqa: PLC0415 - Beam, after everything that can be wrong

        return carry_out(options, layout, manifest)


def _collect_garbage_seldom() -> None:
    """Keep Python from looking for reference cycles all the time: millions of values, and none among them."""
    gc.set_threshold(50_000, 20, 50)


if __name__ == "__main__":
    sys.exit(main())
