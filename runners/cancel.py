"""`facebeam cancel`: end a run that was submitted to a cluster; nothing of it becomes visible."""

import sys
from collections.abc import Sequence

from runners.exit_codes import COMMITTED, NOT_COMMITTED
from runners.job_command import JobOptions, job_command
from runners.logs import LOGGER
from runners.output_folder import is_committed

_EPILOG = """\
exit codes:
  0  the job is cancelled; what was answered stays in the journal, and another run goes on from there
  1  it was too late: the run is committed
  2  there is no such job, or the engine does not answer
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Cancel one run's job; give the exit code."""
    return job_command("facebeam cancel", "Cancel the job of a submitted run.", _EPILOG, _cancel, argv)


def _cancel(options: JobOptions) -> int:
    layout = options.layout
    if is_committed(layout):
        LOGGER.error("run %s is committed already: there is nothing to cancel", layout.run_id)
        return NOT_COMMITTED
    from runners.clusters.cancel_job import cancel_job  # noqa: PLC0415 - as above
    from runners.clusters.choose_cluster import choose_cluster  # noqa: PLC0415 - imports Beam
    from runners.clusters.job_record import read_job  # noqa: PLC0415 - as above

    job = read_job(layout)
    if cancel_job(choose_cluster(job.cluster), job, layout):
        LOGGER.error("run %s was committed before its job could be cancelled", layout.run_id)
        return NOT_COMMITTED
    LOGGER.info("job %s is cancelled; nothing of run %s is visible", job.job_id, layout.run_id)
    return COMMITTED


if __name__ == "__main__":
    sys.exit(main())
