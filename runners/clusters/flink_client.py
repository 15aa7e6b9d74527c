"""Beam's client for Flink, made to leave nothing behind."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final, cast

from apache_beam import Pipeline
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.flink_runner import FlinkRunner
from apache_beam.runners.portability.flink_uber_jar_job_server import FlinkBeamJob, FlinkUberJarJobServer

from runners.clusters.flink_failure import innermost_cause
from schemas.errors import RunError

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
