"""`facebeam status`: how far a run has come that was submitted to a cluster."""

import sys
from collections.abc import Sequence

from runners.exit_codes import COMMITTED, NOT_COMMITTED
from runners.job_command import JobOptions, job_command
from runners.output_folder import is_committed

_EPILOG = """\
prints one word: committed, running, done, failed, cancelled or gone

exit codes:
  0  the run is committed, or its job is at work
  1  the job is over, and the run is not committed: 'facebeam finalize' says why
  2  there is no such job, or the engine does not answer
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Print the state of one run; give the exit code."""
    return job_command("facebeam status", "Tell how far a submitted run has come.", _EPILOG, _tell, argv)


def _tell(options: JobOptions) -> int:
    if is_committed(options.layout):
        print("committed")  # noqa: T201 - the command's answer
        return COMMITTED
    from runners.clusters.choose_cluster import choose_cluster  # noqa: PLC0415 - imports Beam
    from runners.clusters.job_record import read_job  # noqa: PLC0415 - as above

    job = read_job(options.layout)
    state = choose_cluster(job.cluster).state(job.job_id)
    print(state)  # noqa: T201 - the command's answer
    return NOT_COMMITTED if state.is_over else COMMITTED


if __name__ == "__main__":
    sys.exit(main())
