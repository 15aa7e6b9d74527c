"""The work of staged Dataflow jobs: Beam's job service and a worker pool run exactly what was staged."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

import grpc
from apache_beam.metrics import monitoring_infos
from apache_beam.portability import common_urns
from apache_beam.portability.api import (
    beam_artifact_api_pb2_grpc,
    beam_job_api_pb2,
    beam_job_api_pb2_grpc,
    beam_runner_api_pb2,
    endpoints_pb2,
)
from apache_beam.runners.portability import artifact_service
from google.protobuf import struct_pb2  # type: ignore[import-untyped]  # its stubs are a separate package

from facebeam.runners.clusters.portable import Portable
from tests.helpers.dataflow_service import Job, Json, user_metric
from tests.helpers.object_store import ObjectStore

_WITHIN_S = 300
"""Time limit of a job: the job service waits forever for a worker that dies before it connects."""
_LOOK_EVERY_S = 0.2
_OF_DATAFLOW = ("runner", "pipelineUrl", "pipelineProtoHash")


@dataclass(frozen=True)
class StagedJobs:
    """Runs the jobs of Dataflow's stand-in.

    Args:
        store: the object store in which jobs are staged.
        engine: the job service and the worker pool that run the jobs.
        folder: folder for copies of the staged files, from which the job service reads them.
    """

    store: ObjectStore
    engine: Portable
    folder: Path

    def work(self, job: Job) -> None:
        """Run a job to its end, and update its state and errors."""
        job_id = self._start(job)
        job.state = "JOB_STATE_RUNNING"
        until = monotonic() + _WITHIN_S
        while not (state := self.engine.state(job_id)).is_over:
            if job.cancelled.wait(_LOOK_EVERY_S) or monotonic() > until:
                self.engine.cancel(job_id)
                break
        job.metrics = [*self._metrics(job_id)]
        job.errors = [self.engine.why_failed(job_id)] if state == "failed" else []
        job.state = f"JOB_STATE_{state.upper()}" if state.is_over else "JOB_STATE_CANCELLED"

    def pipeline(self, job: Job) -> beam_runner_api_pb2.Pipeline:
        """Read the staged pipeline."""
        return beam_runner_api_pb2.Pipeline.FromString(self.store.read(_options(job)["pipelineUrl"]))

    def _metrics(self, job_id: str) -> Iterator[Json]:
        """Read the engine's metrics of a job; Dataflow reports each as tentative and as committed."""
        with grpc.insecure_channel(self.engine.job_endpoint) as channel:
            request = beam_job_api_pb2.GetJobMetricsRequest(job_id=job_id)
            found = beam_job_api_pb2_grpc.JobServiceStub(channel).GetJobMetrics(request).metrics.committed
        for info in found:
            namespace, name, step = (info.labels[label] for label in ("NAMESPACE", "NAME", "PTRANSFORM"))
            if monitoring_infos.is_counter(info):
                value = monitoring_infos.extract_counter_value(info)
            else:
                numbers = monitoring_infos.extract_distribution(info)
                value = dict(zip(("count", "sum", "min", "max"), numbers, strict=True))
            for tentative in (True, False):
                yield user_metric(step, name, value, tentative=tentative, namespace=namespace)

    def _start(self, job: Job) -> str:
        pipeline = self.pipeline(job)
        for environment in pipeline.components.environments.values():
            self._run_in_pool(environment)
        options = struct_pb2.Struct()
        options.update({f"beam:option:{name}:v1": value for name, value in _portable(_options(job)).items()})
        with grpc.insecure_channel(self.engine.job_endpoint) as channel:
            service = beam_job_api_pb2_grpc.JobServiceStub(channel)
            prepared = service.Prepare(
                beam_job_api_pb2.PrepareJobRequest(
                    job_name=job.name, pipeline=pipeline, pipeline_options=options
                )
            )
            _offer_artifacts(prepared)
            run = beam_job_api_pb2.RunJobRequest(preparation_id=prepared.preparation_id)
            return str(service.Run(run).job_id)

    def _run_in_pool(self, environment: beam_runner_api_pb2.Environment) -> None:
        """Replace the image by the pool, and staged artifacts by copies that the job service can read."""
        pool = endpoints_pb2.ApiServiceDescriptor(url=self.engine.worker_pool)
        environment.urn = common_urns.environments.EXTERNAL.urn
        environment.payload = beam_runner_api_pb2.ExternalPayload(endpoint=pool).SerializeToString()
        for artifact in environment.dependencies:
            staged = beam_runner_api_pb2.ArtifactUrlPayload.FromString(artifact.type_payload)
            copy = self.folder / Path(staged.url).name
            copy.write_bytes(self.store.read(staged.url))
            payload = beam_runner_api_pb2.ArtifactFilePayload(path=str(copy), sha256=staged.sha256)
            artifact.type_urn = common_urns.artifact_types.FILE.urn
            artifact.type_payload = payload.SerializeToString()


def _options(job: Job) -> dict[str, Any]:
    options: dict[str, Any] = job.submitted["environment"]["sdkPipelineOptions"]["options"]
    return options


def _portable(options: dict[str, Any]) -> dict[str, object]:
    """Convert Dataflow's options for another engine; JSON has turned whole numbers into floats."""
    return {
        name: str(int(value)) if isinstance(value, float) and value.is_integer() else value
        for name, value in options.items()
        if value is not None and name not in _OF_DATAFLOW
    }


def _offer_artifacts(prepared: beam_job_api_pb2.PrepareJobResponse) -> None:
    with grpc.insecure_channel(prepared.artifact_staging_endpoint.url) as channel:
        artifact_service.offer_artifacts(
            beam_artifact_api_pb2_grpc.ArtifactStagingServiceStub(channel),
            artifact_service.ArtifactRetrievalService(
                artifact_service.BeamFilesystemHandler(None).file_reader
            ),
            prepared.staging_session_token,
        )
