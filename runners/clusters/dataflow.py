"""Google's Dataflow: it starts the workers itself, from the image, and ends them with the job."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

from apache_beam import Pipeline
from apache_beam.options.pipeline_options import GoogleCloudOptions
from apache_beam.runners.dataflow.dataflow_runner import DataflowPipelineResult
from apache_beam.runners.dataflow.internal.apiclient import DataflowJobAlreadyExistsError

from runners.cluster_options import ClusterOptions
from runners.clusters.cluster import JobState
from runners.clusters.dataflow_flags import check_names, dataflow_flags
from runners.clusters.dataflow_jobs import DataflowJobs
from schemas.errors import RunError
from transforms.output_files import check_writable
from transforms.vendor_errors import vendor_errors

_NO_REASON = "Dataflow gives no reason; the worker logs in Cloud Logging may"


@dataclass(frozen=True)
class Dataflow:
    """A project and region of Dataflow, and what its workers are like.

    Args:
        options: the flags of `--runner dataflow`.
        paced: whether a rate holds the run back, so that more workers would only wait.
    """

    options: ClusterOptions
    paced: bool = False

    def check(self, job_name: str) -> None:
        """See that the names can be, that no job of this name is active, and that files can be staged."""
        check_names(self.options)
        if job_id := self._jobs.active(job_name):
            raise _active_already(job_name, job_id)
        check_writable(f"{self.options.temp_location}/staging")

    def beam_flags(self, job_name: str) -> list[str]:
        """Submit to Dataflow; run workers from the image."""
        return dataflow_flags(self.options, job_name, paced=self.paced)

    def submit(self, pipeline: Pipeline) -> str:
        """Stage and create the job; give its id.

        In the launcher of a Flex template (`--template_location`) the job is only described, and Dataflow
        creates it afterwards: its name is given then, which is good for all that an id is.
        """
        job_name = str(pipeline.options.view_as(GoogleCloudOptions).job_name)
        with _submission_errors(job_name):
            result = cast("DataflowPipelineResult", pipeline.run())
        return str(result.job_id() if result.has_job else job_name)

    def state(self, job_id: str) -> JobState:
        """Ask Dataflow."""
        return self._jobs.state(job_id)

    def why_failed(self, job_id: str) -> str:
        """Give the last error among the job's messages."""
        return self._jobs.last_error(job_id) or _NO_REASON

    def cancel(self, job_id: str) -> None:
        """Ask for the job's end, unless it has ended already: Dataflow would refuse that."""
        if not self.state(job_id).is_over:
            self._jobs.cancel(job_id)

    @property
    def _jobs(self) -> DataflowJobs:
        options = self.options
        return DataflowJobs(str(options.project), str(options.region), options.dataflow_endpoint)


@contextmanager
def _submission_errors(job_name: str) -> Iterator[None]:
    """Translate what Beam's client raises while it stages files and creates the job."""
    try:
        yield
    except DataflowJobAlreadyExistsError as error:
        raise _active_already(job_name, str(error)) from error
    except _refusals() as error:
        cause = " ".join(str(error).split())[:500]
        raise RunError(f"Dataflow does not take job {job_name}: {cause}") from error


def _refusals() -> tuple[type[Exception], ...]:
    """Give what Beam raises, and what Google's clients do."""
    return (ValueError, RuntimeError, *vendor_errors())


def _active_already(job_name: str, what: str) -> RunError:
    return RunError(
        f"job {job_name} is active already ({what}): wait for it with 'facebeam finalize', end it with "
        "'facebeam cancel', or give another --run-id"
    )
