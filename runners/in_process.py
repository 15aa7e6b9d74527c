"""Build a run's pipeline and execute it with workers in this process, by Beam's FnApiRunner or Prism."""

import gc
import os
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import apache_beam as beam
from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner
from apache_beam.runners.runner import PipelineRunner

from facebeam.pipelines.annotate_manifest import build
from facebeam.runners.clusters.reach import NOTHING_STAGED
from facebeam.runners.describe_run import describe_run
from facebeam.runners.descriptors import check_descriptors
from facebeam.runners.earlier_runs import finish_earlier_runs, warn_of_last_run
from facebeam.runners.exit_codes import NOT_COMMITTED, WRONG_SETUP
from facebeam.runners.flags.beam_flags import check_beam_flags
from facebeam.runners.flags.cluster_options import ClusterOptions
from facebeam.runners.flags.options import RunOptions
from facebeam.runners.interrupts import interruptible
from facebeam.runners.logs import LOGGER
from facebeam.runners.output_folder import warned_if_shared
from facebeam.runners.prepare_run import connections_of, most_calls
from facebeam.runners.root_cause import is_wrong_set_up, root_cause
from facebeam.runners.show_progress import WatchRun, show_progress
from facebeam.runners.summary import show_summary
from facebeam.schemas.errors import RunError, SetUpError
from facebeam.schemas.layout import Layout
from facebeam.transforms.journal.journal_writer import flush_open_journals
from facebeam.transforms.manifest.inspect_manifest import Manifest
from facebeam.transforms.steps.publish import discard, is_committed, read_record


def carry_out(options: RunOptions, layout: Layout, manifest: Manifest) -> int:
    """Execute one run, whose lock the caller holds; give the exit code.

    Raises:
        RunError: a flag of Beam is wrong, or the output cannot be used; nothing was started.
    """
    beam_options = check_beam_flags(
        [*options.beam_flags, *_prism_flags(options.cluster)], options.cluster.runner
    )
    check_descriptors(connections_of(options))
    run = describe_run(options, layout, manifest)
    if finish_earlier_runs(options, layout):
        return show_summary(layout, read_record(layout), options)
    engine = "Beam's FnApiRunner" if options.cluster.runner == "local" else "Prism"
    LOGGER.info("run %s starts on this machine, with %s", layout.run_id, engine)
    warn_of_last_run(layout, manifest.columns)
    gc.freeze()  # imported modules stay in memory, so the garbage collector need not check them again
    pipeline = beam.Pipeline(_runner(options.cluster), beam_options)
    build(pipeline, run)
    with warned_if_shared(run.journal.path) if options.is_paid else nullcontext():
        return _execute(pipeline, options, layout)


def _runner(cluster: ClusterOptions) -> PipelineRunner:
    if cluster.runner == "local":
        return FnApiRunner()
    from apache_beam.runners.portability.prism_runner import PrismRunner  # noqa: PLC0415 - only for Prism

    return PrismRunner()


def _prism_flags(cluster: ClusterOptions) -> list[str]:
    """Give Beam's flags for Prism: its program, since Beam would download it, and workers in this process."""
    if cluster.runner == "local":
        return []
    path = Path(str(cluster.prism_location))
    if not (path.is_file() and os.access(path, os.X_OK)):
        raise RunError(f"--prism-location {path} is not a program; build Prism with Go, or omit --runner")
    return [f"--prism_location={path.absolute()}", "--environment_type=LOOPBACK", NOTHING_STAGED]


def _leave_at_once(layout: Layout) -> None:
    """Write the answers that were paid for into the journal, and delete the staged files."""
    flush_open_journals()
    if _is_discarded(layout, "it was stopped at once"):
        LOGGER.error(
            "stopped at once: nothing of run %s is visible; the journal has the answers so far", layout.run_id
        )
        discard(layout)  # again: the threads still work, and one may have opened a file meanwhile


def _is_discarded(layout: Layout, why: str) -> bool:
    """Delete the staged files, unless the run has a plan: then log that the next run will finish it."""
    if discard(layout):
        return True
    LOGGER.error(
        "run %s is checked but not completely published: %s; the next run into %s finishes it",
        layout.run_id,
        why,
        layout.output,
    )
    return False


def _execute(pipeline: beam.Pipeline, options: RunOptions, layout: Layout) -> int:
    failure, exit_code = "", NOT_COMMITTED
    watch = WatchRun(options, most_calls(options))
    with interruptible(partial(_leave_at_once, layout)) as stop, show_progress(watch, options):
        try:
            pipeline.run().wait_until_finish()
        except (RunError, RuntimeError) as error:  # RuntimeError: a worker's error, as text
            failure = root_cause(str(error))
            if isinstance(error, SetUpError) or is_wrong_set_up(str(error)):
                exit_code = WRONG_SETUP
    if is_committed(layout):
        return show_summary(layout, read_record(layout), options)
    if not _is_discarded(layout, failure):
        return NOT_COMMITTED
    if stop.number is not None:
        LOGGER.error(
            "stopped: nothing of run %s is visible; the journal has the answers so far; run again to "
            "continue",
            layout.run_id,
        )
        return stop.exit_code
    LOGGER.error("run %s is not committed: %s", layout.run_id, failure)
    return exit_code
