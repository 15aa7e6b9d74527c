"""Build a run's pipeline and carry it out with workers in this process: Beam's FnApiRunner, or Prism."""

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
from facebeam.runners.earlier_runs import finish_earlier_runs, warn_of_changed_columns
from facebeam.runners.exit_codes import NOT_COMMITTED, WRONG_SETUP
from facebeam.runners.flags.beam_flags import check_beam_flags
from facebeam.runners.flags.cluster_options import ClusterOptions
from facebeam.runners.flags.options import RunOptions
from facebeam.runners.interrupts import interruptible
from facebeam.runners.logs import LOGGER
from facebeam.runners.output_folder import warned_if_shared
from facebeam.runners.prepare_run import connections_of
from facebeam.runners.root_cause import is_wrong_set_up, root_cause
from facebeam.runners.show_progress import show_progress
from facebeam.runners.summary import show_summary
from facebeam.schemas.errors import RunError, SetUpError
from facebeam.schemas.layout import Layout
from facebeam.transforms.journal.journal_writer import flush_open_journals
from facebeam.transforms.manifest.inspect_manifest import Manifest
from facebeam.transforms.steps.publish import discard, is_committed, read_record


def carry_out(options: RunOptions, layout: Layout, manifest: Manifest) -> int:
    """Carry out one run whose lock is held; give the exit code.

    Raises:
        RunError: a flag of Beam's is wrong, or the output cannot be used; nothing was started.
    """
    beam_options = check_beam_flags(
        [*options.beam_flags, *_prism_flags(options.cluster)], options.cluster.runner
    )
    check_descriptors(connections_of(options))
    run = describe_run(options, layout, manifest)
    if finish_earlier_runs(options, layout):
        return show_summary(layout, read_record(layout), options)
    engine = "Beam's FnApiRunner" if options.cluster.runner == "local" else "Prism"
    LOGGER.info("run %s begins on this machine, by %s", layout.run_id, engine)
    warn_of_changed_columns(layout, manifest.columns)
    gc.freeze()  # what was imported stays: no need to look through it again and again
    pipeline = beam.Pipeline(_runner(options.cluster), beam_options)
    build(pipeline, run)
    with warned_if_shared(run.journal.path) if options.is_paid else nullcontext():
        return _execute(pipeline, options, layout)


def _runner(cluster: ClusterOptions) -> PipelineRunner:
    if cluster.runner == "local":
        return FnApiRunner()
    from apache_beam.runners.portability.prism_runner import PrismRunner  # noqa: PLC0415 - whoever asks for it

    return PrismRunner()


def _prism_flags(cluster: ClusterOptions) -> list[str]:
    """Name Prism's binary, which Beam would download, and keep the workers here."""
    if cluster.runner == "local":
        return []
    path = Path(str(cluster.prism_location))
    if not (path.is_file() and os.access(path, os.X_OK)):
        raise RunError(f"--prism-location {path} is no program; build Prism with Go, or leave --runner out")
    return [f"--prism_location={path.absolute()}", "--environment_type=LOOPBACK", NOTHING_STAGED]


def _leave_at_once(layout: Layout) -> None:
    """Keep what was paid for, and nothing else."""
    flush_open_journals()
    if _is_discarded(layout, "it was stopped at once"):
        LOGGER.error(
            "stopped at once: nothing of run %s is visible; answers that came are kept", layout.run_id
        )


def _is_discarded(layout: Layout, why: str) -> bool:
    """Delete what is staged; a run that has a plan can only be finished, and that is said instead."""
    if discard(layout):
        return True
    LOGGER.error(
        "run %s is checked but not published whole: %s; the next run into %s finishes it",
        layout.run_id,
        why,
        layout.output,
    )
    return False


def _execute(pipeline: beam.Pipeline, options: RunOptions, layout: Layout) -> int:
    failure, exit_code = "", NOT_COMMITTED
    with interruptible(partial(_leave_at_once, layout)) as stop, show_progress(quiet=options.quiet):
        try:
            pipeline.run().wait_until_finish()
        except (RunError, RuntimeError) as error:  # RuntimeError: what a worker process tells as text
            failure = root_cause(str(error))
            if isinstance(error, SetUpError) or is_wrong_set_up(str(error)):
                exit_code = WRONG_SETUP
    if is_committed(layout):
        return show_summary(layout, read_record(layout), options)
    if not _is_discarded(layout, failure):
        return NOT_COMMITTED
    if stop.number is not None:
        LOGGER.error(
            "stopped: nothing of run %s is visible; answers that came are kept: run again to go on",
            layout.run_id,
        )
        return stop.exit_code
    LOGGER.error("run %s is not committed: %s", layout.run_id, failure)
    return exit_code
