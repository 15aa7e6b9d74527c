"""Build a run's pipeline and carry it out in this process, by Beam's FnApiRunner."""

from time import monotonic

import apache_beam as beam
from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions
from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner

from pipelines.annotate_manifest import Run, build
from runners.beam_flags import check_beam_flags
from runners.choose_journal import choose_journal
from runners.exit_codes import COMMITTED, NOT_COMMITTED
from runners.interrupts import interruptible
from runners.logs import LOGGER
from runners.options import RunOptions
from runners.output_folder import nobody_works_on
from runners.prepare_run import choose_source, facts_of, shards_for
from runners.root_cause import root_cause
from runners.show_progress import show_progress
from runners.summary import show_summary
from schemas.errors import RunError
from schemas.layout import Layout
from transforms.inspect_manifest import Manifest
from transforms.output_files import exists, remove
from transforms.publish import resume, sweep_staging


def carry_out(options: RunOptions, layout: Layout, manifest: Manifest) -> int:
    """Carry out one run whose lock is held; give the exit code.

    Raises:
        RunError: a flag of Beam's is wrong, or the output cannot be used; nothing was started.
    """
    beam_options = check_beam_flags(options.beam_flags)
    _check_one_process(options, beam_options)
    journal = choose_journal(options)
    journal.check_writable()
    sweep_staging(layout.output, nobody_works_on(layout.output))
    if resume(layout):
        LOGGER.info("run %s had been checked but not published when it was cut off: now it is", layout.run_id)
        return COMMITTED
    run = Run(
        layout,
        manifest,
        choose_source(options),
        journal,
        options.mode,
        options.need_rotate_detection,
        shards_for(manifest),
        options.ask_again,
        facts_of(options, manifest),
    )
    pipeline = beam.Pipeline(FnApiRunner(), beam_options)
    build(pipeline, run)
    return _execute(pipeline, options, layout)


def _check_one_process(options: RunOptions, beam_options: PipelineOptions) -> None:
    """Refuse what would let several pacers, budgets and circuits run side by side."""
    if options.source == "api" and beam_options.view_as(DirectOptions).direct_num_workers != 1:
        raise RunError(
            "--direct_num_workers: with --source api one process keeps the rate; leave it out, "
            "the calls in flight are what --window says"
        )


def _execute(pipeline: beam.Pipeline, options: RunOptions, layout: Layout) -> int:
    started = monotonic()
    failure: str | None = None
    with interruptible(lambda: remove(layout.staging)) as interruption, show_progress(quiet=options.quiet):
        try:
            pipeline.run().wait_until_finish()
        except (RunError, RuntimeError) as error:  # RuntimeError: what a worker process tells as text
            failure = root_cause(str(error))
    if exists(layout.success):
        return show_summary(layout, options, monotonic() - started)
    remove(layout.staging)
    if interruption.signal_number is not None:
        LOGGER.error("stopped: nothing of run %s is visible", layout.run_id)
        return interruption.exit_code
    LOGGER.error("run %s is not committed: %s", layout.run_id, failure)
    return NOT_COMMITTED
