"""What an engine has to offer to carry out runs, and which one the flags describe."""

from collections.abc import Sequence
from enum import StrEnum, auto
from typing import Protocol

from apache_beam import Pipeline

from facebeam.runners.flags.cluster_options import ClusterOptions
from facebeam.schemas.errors import RunError


class JobState(StrEnum):
    """How far a submitted job has come."""

    RUNNING = auto()
    """Submitted, starting, working or ending."""
    DONE = auto()
    FAILED = auto()
    CANCELLED = auto()
    GONE = auto()
    """The engine does not know it, or not any more."""

    @property
    def is_over(self) -> bool:
        """Tell whether nothing works on the job any more."""
        return self is not JobState.RUNNING


class UnreachableError(RunError):
    """The engine does not answer: what becomes of the job is not known."""


class Cluster(Protocol):
    """An engine that runs elsewhere; a description, made from flags alone.

    Jobs are found again by the engine's own id, from any process.
    """

    def check(self, job_name: str) -> None:
        """See that this job can be submitted; raises RunError, naming value, rule and cure.

        No other job of its name may be at work: it would be the same run. Nothing is sent.
        """

    def beam_flags(self, job_name: str) -> Sequence[str]:
        """Give the flags of Beam that this engine needs; pure."""

    def submit(self, pipeline: Pipeline) -> str:
        """Submit a built pipeline, whose options have the job's name; give the engine's id of the job.

        Raises:
            UnreachableError: the engine stopped answering; it may have the job.
            RunError: the engine refuses the job.
        """

    def state(self, job_id: str) -> JobState:
        """Ask the engine; raises UnreachableError."""

    def why_failed(self, job_id: str) -> str:
        """Give the failure as the engine tells it, the worker's traceback too; raises UnreachableError."""

    def cancel(self, job_id: str) -> None:
        """End a job, and delete what it left on the engine; raises UnreachableError."""


def choose_cluster(options: ClusterOptions, *, paced: bool = False) -> Cluster:
    """Describe the engine of `--runner`; nothing is reached. Only that engine's module is imported.

    Args:
        options: the flags that say where a run is carried out.
        paced: whether a rate holds the run to be submitted back; of a submitted run it does not matter.
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
            return Dataflow(options, paced)
        case _:
            raise ValueError(options.runner)
