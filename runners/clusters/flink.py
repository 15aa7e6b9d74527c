"""A Flink session cluster: Beam's runner and the pipeline go there in one jar, by REST."""

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
from facebeam.runners.clusters.reach import check_open_port, is_this_machine, worker_pool_flags
from facebeam.schemas.errors import RunError

_REFUSED: Final = (RuntimeError, ValueError, OSError)
"""An answer other than 200 or a jar that cannot be had; no jar; no connection, or no room for the jar."""


class FlinkClient(FlinkRunner):
    """Submits one pipeline. Job and jar are known from Beam's own objects: it has no public way to them."""

    def __init__(self) -> None:
        FlinkRunner.__init__(self)
        self._jobs: Mapping[str, FlinkBeamJob] = {}

    def default_job_server(self, options: PipelineOptions) -> FlinkUberJarJobServer:
        """Keep what Beam submits with."""
        server = cast("FlinkUberJarJobServer", FlinkRunner.default_job_server(self, options))
        Path(server._temp_dir).rmdir()  # noqa: SLF001 - Beam makes a folder, uses it for nothing and leaves it
        self._jobs = cast("Mapping[str, FlinkBeamJob]", server._jobs)  # noqa: SLF001 - as the class says
        return server

    def start(self, pipeline: Pipeline) -> str:
        """Start a pipeline's job; give Flink's id of it.

        The uploaded jar is deleted at once: Flink works on from copies of its own, and Beam would delete it
        only if it were asked for the job's state until the end.

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
                Path(job._jar).unlink(missing_ok=True)  # noqa: SLF001 - Beam deletes its copy after a success only
        (job,) = self._jobs.values()
        return str(job._flink_job_id)  # noqa: SLF001 - as the class says


_RUNNER_CLASS: Final = "org/apache/beam/runners/flink/FlinkPipelineRunner.class"
_BEAMS_DEFAULT: Final = 1
_STATES: Final = {"FINISHED": JobState.DONE, "FAILED": JobState.FAILED, "CANCELED": JobState.CANCELLED}


@dataclass(frozen=True)
class Flink:
    """A JobManager, and the worker pool that its TaskManagers start workers in.

    Args:
        flink_master: `host:port` of the JobManager's REST interface.
        worker_pool: `host:port` of the pool, as TaskManagers reach it.
        job_server_jar: Beam's job server for that version of Flink; None lets Beam download it.
        parallelism: slots to use; None is all that are free.
        paced: whether a rate holds the run back; otherwise each slot has a worker process of its own.
    """

    flink_master: str
    worker_pool: str
    job_server_jar: str | None = None
    parallelism: int | None = None
    paced: bool = False

    def check(self, job_name: str) -> None:
        """See that Flink is there, of a version that Beam knows and with free slots; then jar and pool."""
        check_open_port("--flink-master", self.flink_master, "start Flink's JobManager there")
        self._check_version()
        self._check_name(job_name)
        self._check_slots()
        if self.job_server_jar is not None:
            _check_jar(self.job_server_jar)
        if self._sees_what_task_managers_see():
            check_open_port("--worker-pool", self.worker_pool, "start Beam's worker pool there")

    def beam_flags(self, job_name: str) -> list[str]:
        """Submit by REST, without a job server of our own; run workers in the pool."""
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
        """Upload the pipeline and start its job; give Flink's id; raises RunError where Flink refuses."""
        slots = self._rest.slots()
        if self.parallelism is None:
            pipeline.options.view_as(FlinkRunnerOptions).parallelism = slots.free
        workers = pipeline.options.view_as(PortableOptions)
        if not self.paced and workers.sdk_worker_parallelism == _BEAMS_DEFAULT:
            # One Python process for all slots of a TaskManager would hold its models back by its one lock.
            workers.sdk_worker_parallelism = slots.each
        return FlinkClient().start(pipeline)

    def state(self, job_id: str) -> JobState:
        """Ask the JobManager; after it was started anew it knows no job of before."""
        state = self._rest.job_state(job_id)
        return JobState.GONE if state is None else _STATES.get(state, JobState.RUNNING)

    def why_failed(self, job_id: str) -> str:
        """Give a worker's traceback, or what Flink met itself."""
        trace = self._rest.failure(job_id) or "Flink gives no reason; the JobManager's log may"
        return explain_failure(trace, self.worker_pool)

    def cancel(self, job_id: str) -> None:
        """End the job. Its jar went with the submission."""
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
                f"{', '.join(known)}: use a cluster of one of these"
            )

    def _check_name(self, job_name: str) -> None:
        if at_work := self._rest.job_at_work(job_name):
            raise RunError(
                f"job {at_work} named {job_name} is at work on {self.flink_master}, and its record is not "
                "under --output: wait for it, or cancel it in Flink"
            )

    def _check_slots(self) -> None:
        slots, wanted = self._rest.slots(), self.parallelism or 1
        if slots.free < wanted:
            raise RunError(
                f"--flink-master {self.flink_master} has {slots.free} free slots of {slots.total}, and the "
                f"run needs {wanted}: wait for other jobs, start another TaskManager, or lower --parallelism"
            )

    def _sees_what_task_managers_see(self) -> bool:
        """Tell whether the pool's address means the same here; a forwarded port looks like this machine."""
        hosts = self._rest.task_manager_hosts()
        return is_this_machine(self.worker_pool) and all(is_this_machine(f"{host}:0") for host in hosts)


def _check_jar(path: str) -> None:
    """See that a jar is there, whole, and holds Beam's Flink runner."""
    cure = "give the beam-runners-flink-...-job-server jar of Beam's version, or leave the flag out"
    try:
        with ZipFile(path) as jar:
            damaged = jar.testzip()
            names = jar.namelist()
    except OSError as error:
        raise RunError(f"--flink-job-server-jar {path} cannot be read ({error.strerror}): {cure}") from error
    except BadZipFile as error:
        raise RunError(f"--flink-job-server-jar {path} is no jar ({error}): {cure}") from error
    if damaged:
        raise RunError(f"--flink-job-server-jar {path} is damaged at {damaged}: {cure}")
    if _RUNNER_CLASS not in names:
        raise RunError(f"--flink-job-server-jar {path} holds no Flink runner of Beam's: {cure}")
