"""`facebeam finalize`: wait for a submitted run, and report it as `facebeam annotate` would have done."""

import sys
from collections.abc import Sequence

from runners.exit_codes import MEANINGS, NOT_COMMITTED
from runners.job_command import JobOptions, job_command
from runners.logs import LOGGER
from runners.output_folder import is_committed

_DESCRIPTION = """\
Wait for a run that was submitted with --detach, or whose waiting was cut off, and report it. The job itself
commits the run; a run that was checked but cut off while it was published is published here."""


def main(argv: Sequence[str] | None = None) -> int:
    """See one run to its end; give the exit code of `facebeam annotate`."""
    return job_command("facebeam finalize", _DESCRIPTION, MEANINGS, _finalize, argv)


def _finalize(options: JobOptions) -> int:
    from runners.clusters.choose_cluster import choose_cluster  # noqa: PLC0415 - as above
    from runners.clusters.finish_job import finish_job  # noqa: PLC0415 - imports Beam
    from runners.clusters.job_record import read_job  # noqa: PLC0415 - as above
    from runners.clusters.stop_signals import stop_signals  # noqa: PLC0415 - as above
    from runners.clusters.wait import wait_for_job  # noqa: PLC0415 - as above
    from runners.summary import show_summary  # noqa: PLC0415 - as above

    layout = options.layout
    if is_committed(layout):
        return show_summary(layout, quiet=options.quiet, log_format=options.log_format)
    job = read_job(layout)
    cluster = choose_cluster(job.cluster)
    with stop_signals() as stop:
        state = wait_for_job(cluster, job, layout, stop)
    if stop.number is not None:
        LOGGER.error("stopped waiting: job %s goes on", job.job_id)
        return stop.exit_code
    if not state.is_over:
        return NOT_COMMITTED
    return finish_job(cluster, job, layout, state, quiet=options.quiet, log_format=options.log_format)


if __name__ == "__main__":
    sys.exit(main())
