"""A Flink session cluster: facebeam sends Beam's runner and the pipeline to it in one jar, by REST."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast
from zipfile import BadZipFile, ZipFile

from apache_beam import Pipeline
from apache_beam.options.pipeline_options import FlinkRunnerOptions, PipelineOptions, PortableOptions
from apache_beam.runners.portability.flink_runner import FlinkRunner
from apache_beam.runners.portability.flink_uber_jar_job_server import FlinkBeamJob, FlinkUberJarJobServer

from facebeam.runners.clusters.cluster import JobState
from facebeam.runners.clusters.flink_rest import FlinkRest, explain_failure, innermost_cause
from facebeam.runners.clusters.job_metrics import counts_in_json
from facebeam.runners.clusters.reach import check_open_port, is_this_machine, worker_pool_flags
from facebeam.schemas.counts import Counts
from facebeam.schemas.errors import RunError

_REFUSED: Final = (RuntimeError, ValueError, OSError)
"""Flink does not answer 200, or the jar cannot be downloaded; no valid jar; no connection, or a full disk."""


class FlinkClient(FlinkRunner):
    """Submits one pipeline. It reads job and jar from private objects of Beam: there is no public way."""

    def __init__(self) -> None:
        FlinkRunner.__init__(self)
        self._jobs: Mapping[str, FlinkBeamJob] = {}

    def default_job_server(self, options: PipelineOptions) -> FlinkUberJarJobServer:
        """Give Beam's job server, and remember its jobs."""
        server = cast("FlinkUberJarJobServer", FlinkRunner.default_job_server(self, options))
        Path(server._temp_dir).rmdir()  # noqa: SLF001 - Beam makes this folder, but never uses or deletes it
        self._jobs = cast("Mapping[str, FlinkBeamJob]", server._jobs)  # noqa: SLF001 - as the class says
        return server

    def start(self, pipeline: Pipeline) -> str:
        """Start a pipeline's job; give Flink's id of the job.

        The uploaded jar is deleted at once: Flink has its own copies, and Beam would delete the jar only if
        this process watched the job until its end.

        Raises:
            RunError: Flink refuses the job, or the job server's jar cannot be downloaded.
        """
        pipeline.runner = self
        try:
            pipeline.run()
        except _REFUSED as error:
            raise RunError(f"the job cannot be submitted: {innermost_cause(str(error))}") from error
        finally:
            for job in self._jobs.values():
                job.delete_jar()
                Path(job._jar).unlink(missing_ok=True)  # noqa: SLF001 - Beam deletes it only after a success
        (job,) = self._jobs.values()
        return str(job._flink_job_id)  # noqa: SLF001 - as the class says


_RUNNER_CLASS: Final = "org/apache/beam/runners/flink/FlinkPipelineRunner.class"
_BEAMS_DEFAULT: Final = 1
_METRICS: Final = "__metricscontainers"
"""The accumulator in which Beam's runner keeps the metrics of a job."""
_STATES: Final = {"FINISHED": JobState.DONE, "FAILED": JobState.FAILED, "CANCELED": JobState.CANCELLED}


@dataclass(frozen=True)
class Flink:
    """A JobManager, and the worker pool in which its TaskManagers start workers.

    Args:
        flink_master: `host:port` of the JobManager's REST interface.
        worker_pool: `host:port` of the pool, as TaskManagers reach it.
        job_server_jar: path of Beam's job server for this version of Flink. None: Beam downloads it.
        parallelism: number of slots to use. None: all free slots.
        paced: whether a rate limits the run; if not, each slot gets its own worker process.
    """

    flink_master: str
    worker_pool: str
    job_server_jar: str | None = None
    parallelism: int | None = None
    paced: bool = False

    def check(self, job_name: str) -> None:
        """Check that Flink answers, has a version that Beam supports, and free slots; then jar and pool."""
        check_open_port("--flink-master", self.flink_master, "start Flink's JobManager there")
        self._check_version()
        self._check_name(job_name)
        self._check_slots()
        if self.job_server_jar is not None:
            _check_jar(self.job_server_jar)
        if self._sees_what_task_managers_see():
            check_open_port("--worker-pool", self.worker_pool, "start Beam's worker pool there")

    def beam_flags(self, job_name: str) -> list[str]:
        """Give the flags to submit by REST, without a separate job server, with workers from the pool."""
        flags = [
            "--runner=FlinkRunner",
            f"--job_name={job_name}",
            f"--flink_master=http://{self.flink_master}",
            "--flink_submit_uber_jar",
        ]
        if self.job_server_jar is not None:
            flags.append(f"--flink_job_server_jar={self.job_server_jar}")
        if self.parallelism is not None:
            flags.append(f"--parallelism={self.parallelism}")
        return [*flags, *worker_pool_flags(self.worker_pool)]

    def submit(self, pipeline: Pipeline) -> str:
        """Upload the pipeline and start its job; give Flink's id; raises RunError if Flink refuses it."""
        slots = self._rest.slots()
        if self.parallelism is None:
            pipeline.options.view_as(FlinkRunnerOptions).parallelism = slots.free
        workers = pipeline.options.view_as(PortableOptions)
        if not self.paced and workers.sdk_worker_parallelism == _BEAMS_DEFAULT:
            # In a single Python process for all slots, models would wait for each other's interpreter lock.
            workers.sdk_worker_parallelism = slots.each
        return FlinkClient().start(pipeline)

    def state(self, job_id: str) -> JobState:
        """Ask the JobManager for the state of a job; after a restart it has forgotten all earlier jobs."""
        state = self._rest.job_state(job_id)
        return JobState.GONE if state is None else _STATES.get(state, JobState.RUNNING)

    def counts(self, job_id: str) -> Counts:
        """Read the job's accumulators. Beam's runner adds the metrics of a step when the step ends."""
        return counts_in_json(self._rest.accumulator(job_id, _METRICS))

    def why_failed(self, job_id: str) -> str:
        """Give a worker's traceback, or Flink's own failure."""
        trace = self._rest.failure(job_id) or "Flink reports no reason: look into the JobManager's log"
        return explain_failure(trace, self.worker_pool)

    def cancel(self, job_id: str) -> None:
        """Cancel the job. Its jar was deleted when it was submitted."""
        self._rest.cancel(job_id)

    @property
    def _rest(self) -> FlinkRest:
        return FlinkRest(self.flink_master)

    def _check_version(self) -> None:
        version = self._rest.version()
        known = FlinkRunnerOptions.PUBLISHED_FLINK_VERSIONS
        if not version.startswith(tuple(f"{each}." for each in known)):
            raise RunError(
                f"--flink-master {self.flink_master} is Flink {version}, and Beam has a runner for "
                f"{', '.join(known)}: use a cluster with one of these versions"
            )

    def _check_name(self, job_name: str) -> None:
        if at_work := self._rest.job_at_work(job_name):
            raise RunError(
                f"job {at_work} named {job_name} is running on {self.flink_master}, but --output has no "
                "record of it: wait for it, or cancel it in Flink"
            )

    def _check_slots(self) -> None:
        slots, wanted = self._rest.slots(), self.parallelism or 1
        if slots.free < wanted:
            raise RunError(
                f"--flink-master {self.flink_master} has {slots.free} free slots of {slots.total}, and the "
                f"run needs {wanted}: wait for other jobs, start another TaskManager, or lower --parallelism"
            )

    def _sees_what_task_managers_see(self) -> bool:
        """Tell whether the pool's address is that of this machine both here and for all TaskManagers.

        The address of Flink alone does not show it: it may be a forwarded port.
        """
        hosts = self._rest.task_manager_hosts()
        return is_this_machine(self.worker_pool) and all(is_this_machine(f"{host}:0") for host in hosts)


def _check_jar(path: str) -> None:
    """Check that a jar exists, is complete, and contains Beam's Flink runner; raises RunError if not."""
    cure = "give the beam-runners-flink-...-job-server jar of Beam's version, or omit the flag"
    try:
        with ZipFile(path) as jar:
            damaged = jar.testzip()
            names = jar.namelist()
    except OSError as error:
        raise RunError(f"--flink-job-server-jar {path} cannot be read ({error.strerror}): {cure}") from error
    except BadZipFile as error:
        raise RunError(f"--flink-job-server-jar {path} is not a jar ({error}): {cure}") from error
    if damaged:
        raise RunError(f"--flink-job-server-jar {path} is damaged at {damaged}: {cure}")
    if _RUNNER_CLASS not in names:
        raise RunError(f"--flink-job-server-jar {path} does not contain Beam's Flink runner: {cure}")
