"""Any engine with Beam's job API: a job service takes the job, and a worker pool starts the workers."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, cast

import grpc
from apache_beam import Pipeline
from apache_beam.portability.api import beam_job_api_pb2 as job_api
from apache_beam.portability.api import beam_job_api_pb2_grpc
from apache_beam.runners.portability.portable_runner import PipelineResult

from facebeam.runners.clusters.cluster import JobState, UnreachableError
from facebeam.runners.clusters.job_metrics import counts_in
from facebeam.runners.clusters.reach import check_open_port, worker_pool_flags
from facebeam.schemas.counts import Counts

_TIMEOUT_S: Final = 20.0
_STATES: Final = {
    job_api.JobState.DONE: JobState.DONE,
    job_api.JobState.FAILED: JobState.FAILED,
    job_api.JobState.CANCELLED: JobState.CANCELLED,
}


@dataclass(frozen=True)
class Portable:
    """A Beam job service, and the worker pool in which its engine starts workers.

    Args:
        job_endpoint: `host:port` of the job service.
        worker_pool: `host:port` of the pool, as the engine reaches it.
    """

    job_endpoint: str
    worker_pool: str

    def check(self, job_name: str) -> None:  # noqa: ARG002 - the service tells no names
        """Check that a job service and a pool are there; raises RunError.

        Beam would wait five minutes for something else that listens there.
        """
        check_open_port("--job-endpoint", self.job_endpoint, "start Beam's job service there")
        with self._service() as service:
            service.DescribePipelineOptions(job_api.DescribePipelineOptionsRequest(), timeout=_TIMEOUT_S)
        check_open_port("--worker-pool", self.worker_pool, "start Beam's worker pool there")

    def beam_flags(self, job_name: str) -> list[str]:
        """Give the flags to submit to the job service, with workers from the pool."""
        return [
            "--runner=PortableRunner",
            f"--job_name={job_name}",
            f"--job_endpoint={self.job_endpoint}",
            *worker_pool_flags(self.worker_pool),
        ]

    def submit(self, pipeline: Pipeline) -> str:
        """Stage and start the job; give its id; raises UnreachableError."""
        with self._errors():
            result = cast("PipelineResult", pipeline.run())
        return str(result._job_id)  # noqa: SLF001 - Beam has no public way to a job's id

    def state(self, job_id: str) -> JobState:
        """Ask the job service for the state of a job."""
        with self._service() as service:
            answer = service.GetState(job_api.GetJobStateRequest(job_id=job_id), timeout=_TIMEOUT_S)
        return _STATES.get(answer.state, JobState.RUNNING)

    def counts(self, job_id: str) -> Counts:
        """Ask the job service for the job's metrics; Beam's own service has them only at the end."""
        with self._service() as service:
            answer = service.GetJobMetrics(job_api.GetJobMetricsRequest(job_id=job_id), timeout=_TIMEOUT_S)
        return counts_in(answer.metrics)

    def why_failed(self, job_id: str) -> str:
        """Give the last error among the job's messages."""
        error = "the job service reports no reason: look into its log"
        with self._service() as service:
            for message in service.GetMessageStream(
                job_api.JobMessagesRequest(job_id=job_id), timeout=_TIMEOUT_S
            ):
                said = message.message_response
                if said.importance == job_api.JobMessage.JOB_MESSAGE_ERROR:
                    error = said.message_text
        return error

    def cancel(self, job_id: str) -> None:
        """Ask the job service to cancel the job."""
        with self._service() as service:
            service.Cancel(job_api.CancelJobRequest(job_id=job_id), timeout=_TIMEOUT_S)

    @contextmanager
    def _service(self) -> Iterator[beam_job_api_pb2_grpc.JobServiceStub]:
        with self._errors(), grpc.insecure_channel(self.job_endpoint) as channel:
            yield beam_job_api_pb2_grpc.JobServiceStub(channel)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Translate what gRPC raises; raises UnreachableError."""
        try:
            yield
        except (grpc.RpcError, grpc.FutureTimeoutError) as error:
            reason = error.code().name if isinstance(error, grpc.Call) else "no connection"
            raise UnreachableError(
                f"the job service at {self.job_endpoint} does not answer: {reason}"
            ) from error
