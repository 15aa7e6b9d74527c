"""The interface of an engine that executes runs, and the choice of an engine by the flags."""

from collections.abc import Sequence
from enum import StrEnum, auto
from typing import Protocol

from apache_beam import Pipeline

from facebeam.runners.flags.cluster_options import ClusterOptions
from facebeam.schemas.counts import Counts
from facebeam.schemas.errors import RunError


class JobState(StrEnum):
    """State of a submitted job."""

    RUNNING = auto()
    """Submitted, starting, running or stopping."""
    DONE = auto()
    FAILED = auto()
    CANCELLED = auto()
    GONE = auto()
    """The engine does not know the job, or has forgotten it."""

    @property
    def is_over(self) -> bool:
        """Whether the job has ended."""
        return self is not JobState.RUNNING


class UnreachableError(RunError):
    """The engine does not answer, so the state of the job is not known."""


class Cluster(Protocol):
    """Describes an engine that runs outside this process; it is made from flags alone.

    Any process can find a job by the id that the engine has given it.
    """

    def check(self, job_name: str) -> None:
        """Check that this job can be submitted, without sending anything; raises RunError if not.

        No other job of this name may be running, because it would be the same run.
        """

    def beam_flags(self, job_name: str) -> Sequence[str]:
        """Give Beam's flags for this engine; a pure function."""

    def submit(self, pipeline: Pipeline) -> str:
        """Submit a built pipeline, whose options have the job's name; give the engine's id of the job.

        Raises:
            UnreachableError: the engine stopped answering; it may have the job.
            RunError: the engine refuses the job.
        """

    def state(self, job_id: str) -> JobState:
        """Ask the engine for the state of a job; raises UnreachableError."""

    def counts(self, job_id: str) -> Counts:
        """Give the job's metrics that the engine reports, if it reports any; raises UnreachableError."""

    def why_failed(self, job_id: str) -> str:
        """Give the failure that the engine reports, with the worker's traceback; raises UnreachableError."""

    def cancel(self, job_id: str) -> None:
        """Cancel a job, and delete what it has left on the engine; raises UnreachableError."""


def choose_cluster(options: ClusterOptions, *, paced: bool = False, own_flags: Sequence[str] = ()) -> Cluster:
    """Describe the engine of `--runner`, without connecting to it. Only that engine's module is imported.

    Args:
        options: the flags that say where to execute a run.
        paced: whether a rate limits the run; it matters only for submitting.
        own_flags: the user's flags for Beam; they too matter only for submitting.
    """
    match options.runner:
        case "portable":
            from facebeam.runners.clusters.portable import Portable  # noqa: PLC0415 - each engine has its own libraries

            return Portable(str(options.job_endpoint), str(options.worker_pool))
        case "flink":
            from facebeam.runners.clusters.flink import Flink  # noqa: PLC0415 - as above

            return Flink(
                str(options.flink_master),
                str(options.worker_pool),
                options.flink_job_server_jar,
                options.parallelism,
                paced,
            )
        case "dataflow":
            try:
                from facebeam.runners.clusters.dataflow import Dataflow  # noqa: PLC0415 - as above
            except ImportError as error:
                raise RunError(
                    f"--runner dataflow needs Google's libraries ({error}): pip install 'facebeam[gcp]'"
                ) from error
            return Dataflow(options, paced, own_flags)
        case _:
            raise ValueError(options.runner)
