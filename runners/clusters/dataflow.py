"""Google's Dataflow: it starts workers from a container image, and stops them when the job ends."""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import sleep
from typing import Final, cast

from apache_beam import Pipeline
from apache_beam.options.pipeline_options import GoogleCloudOptions
from apache_beam.runners.dataflow.dataflow_runner import DataflowPipelineResult
from apache_beam.runners.dataflow.internal.apiclient import DataflowJobAlreadyExistsError
from google.api_core.client_options import ClientOptions  # type: ignore[import-untyped]  # an extra
from google.api_core.exceptions import NotFound, RetryError  # type: ignore[import-untyped]  # an extra
from google.api_core.retry import Retry, if_exception_type  # type: ignore[import-untyped]  # an extra
from google.auth.credentials import AnonymousCredentials  # type: ignore[import-untyped]  # an extra
from google.cloud import dataflow  # type: ignore[import-untyped]  # an extra

from facebeam.runners.clusters.cluster import JobState, UnreachableError
from facebeam.runners.clusters.dataflow_flags import check_names, dataflow_flags
from facebeam.runners.clusters.job_metrics import Reported, counts_of
from facebeam.runners.flags.cluster_options import ClusterOptions
from facebeam.schemas.counts import NAMESPACE, Counts
from facebeam.schemas.errors import RunError
from facebeam.transforms.files.any_store import check_writable
from facebeam.transforms.files.remote import vendor_errors

_TIMEOUT_S: Final = 20.0
_SETTLES: Final = Retry(if_exception_type(NotFound), initial=1.0, maximum=2.0, timeout=10.0)
"""Dataflow may answer 404 for a new job at first: https://github.com/apache/beam/issues/19350."""
_LOOKS: Final = 15
_LOOK_EVERY_S: Final = 2.0
"""Dataflow reports the reason of a failure up to 30 s after the failure."""
_STATES: Final = {
    dataflow.JobState.JOB_STATE_DONE: JobState.DONE,
    dataflow.JobState.JOB_STATE_FAILED: JobState.FAILED,
    dataflow.JobState.JOB_STATE_CANCELLED: JobState.CANCELLED,
    dataflow.JobState.JOB_STATE_UPDATED: JobState.CANCELLED,
    dataflow.JobState.JOB_STATE_DRAINED: JobState.CANCELLED,
}


def _client_errors() -> tuple[type[Exception], ...]:
    """Give the exceptions of Google's clients and of the network."""
    return (OSError, *vendor_errors())


@dataclass(frozen=True)
class DataflowJobs:
    """The jobs of a project in a region.

    Args:
        project: id of the project.
        region: region in which the jobs run.
        endpoint: address of the API. None: Google's. An address with `http://` gets no credentials.
    """

    project: str
    region: str
    endpoint: str | None

    def active(self, name: str) -> str | None:
        """Give the id of the active job with this name; None if there is none."""
        with self._errors():
            return self._newest(name, dataflow.ListJobsRequest.Filter.ACTIVE)

    def state(self, job_id: str) -> JobState:
        """Ask for the state of a job."""
        with self._errors():
            client = dataflow.JobsV1Beta3Client(**self._connection)
            request = self._place | {"job_id": self._id(job_id)}
            try:
                job = client.get_job(request, retry=_SETTLES, timeout=_TIMEOUT_S)
            except (NotFound, RetryError):
                return JobState.GONE
            return _STATES.get(job.current_state, JobState.RUNNING)

    def counts(self, job_id: str) -> Counts:
        """Add up a job's metrics over all steps."""
        with self._errors():
            client = dataflow.MetricsV1Beta3Client(**self._connection)
            request = self._place | {"job_id": self._id(job_id)}
            return counts_of(_ours(client.get_job_metrics(request, timeout=_TIMEOUT_S).metrics))

    def last_error(self, job_id: str) -> str | None:
        """Give the last error with a traceback among a job's messages, otherwise the last error."""
        for _ in range(_LOOKS):
            if errors := [*self._errors_of(job_id)]:
                return next((text for text in reversed(errors) if "Traceback" in text), errors[-1])
            sleep(_LOOK_EVERY_S)
        return None

    def cancel(self, job_id: str) -> None:
        """Ask Dataflow to cancel a job."""
        end = {"requested_state": dataflow.JobState.JOB_STATE_CANCELLED}
        with self._errors():
            request = {**self._place, "job_id": self._id(job_id), "job": end}
            dataflow.JobsV1Beta3Client(**self._connection).update_job(request, timeout=_TIMEOUT_S)

    def _id(self, job_id: str) -> str:
        """Give the job id for a job id or name: for a name, that of the newest job, if there is one."""
        if re.match(r"\d{4}-\d\d-\d\d_", job_id):
            return job_id
        return self._newest(job_id, dataflow.ListJobsRequest.Filter.ALL) or job_id

    def _newest(self, name: str, filter_: object) -> str | None:
        request = {**self._place, "name": name, "filter": filter_}
        found = dataflow.JobsV1Beta3Client(**self._connection).list_jobs(request, timeout=_TIMEOUT_S)
        return max(
            (str(job.id) for job in found if job.name == name), default=None
        )  # job ids begin with the time

    def _errors_of(self, job_id: str) -> Iterator[str]:
        least = dataflow.JobMessageImportance.JOB_MESSAGE_ERROR
        with self._errors():
            request = {**self._place, "job_id": self._id(job_id), "minimum_importance": least}
            client = dataflow.MessagesV1Beta3Client(**self._connection)
            for message in client.list_job_messages(request, timeout=_TIMEOUT_S):
                yield str(message.message_text)

    @property
    def _place(self) -> dict[str, object]:
        return {"project_id": self.project, "location": self.region}

    @property
    def _connection(self) -> dict[str, object]:
        if self.endpoint is None:
            return {}
        if not self.endpoint.startswith("http://"):
            return {"client_options": ClientOptions(api_endpoint=self.endpoint.removeprefix("https://"))}
        options = ClientOptions(api_endpoint=self.endpoint)
        return {"client_options": options, "transport": "rest", "credentials": AnonymousCredentials()}

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Translate exceptions of Google's client into UnreachableError."""
        try:
            yield
        except _client_errors() as error:
            cause = " ".join(str(error).split())[:300]
            raise UnreachableError(
                f"Dataflow does not answer for project {self.project}, region {self.region} ({cause}): check "
                "--project and --region, and that your account has the role dataflow.developer there"
            ) from error


def _ours(metrics: Iterable[dataflow.MetricUpdate]) -> Iterator[Reported]:
    for metric in metrics:
        step, name = metric.name.context.get("step", ""), metric.name.name
        if metric.name.context.get("namespace") != NAMESPACE:
            continue
        if metric.distribution is not None:
            yield Reported(step, name, int(metric.distribution["sum"]), int(metric.distribution["count"]))
        elif metric.scalar is not None:
            yield Reported(step, name, int(metric.scalar))


_NO_REASON = "Dataflow reports no reason: look into the worker logs in Cloud Logging"


@dataclass(frozen=True)
class Dataflow:
    """Dataflow in a project and region, with the settings of its workers.

    Args:
        options: the flags of `--runner dataflow`.
        paced: whether a rate limits the run, so that additional workers would only wait.
        own_flags: the user's flags for Beam.
    """

    options: ClusterOptions
    paced: bool = False
    own_flags: Sequence[str] = ()

    def check(self, job_name: str) -> None:
        """Check the names, that no job with this name is active, and that files can be staged."""
        check_names(self.options)
        if job_id := self._jobs.active(job_name):
            raise _active_already(job_name, job_id)
        check_writable(f"{self.options.temp_location}/staging")

    def beam_flags(self, job_name: str) -> list[str]:
        """Give the flags to submit to Dataflow, with workers from the image."""
        return dataflow_flags(self.options, job_name, paced=self.paced, own_flags=self.own_flags)

    def submit(self, pipeline: Pipeline) -> str:
        """Stage the files and create the job; give its id.

        In the launcher of a Flex template (`--template_location`) this only describes the job, and Dataflow
        creates it later. Then this gives the job's name, which can be used wherever an id can.
        """
        job_name = str(pipeline.options.view_as(GoogleCloudOptions).job_name)
        with _submission_errors(job_name):
            result = cast("DataflowPipelineResult", pipeline.run())
        return str(result.job_id() if result.has_job else job_name)

    def state(self, job_id: str) -> JobState:
        """Ask Dataflow for the state of a job."""
        return self._jobs.state(job_id)

    def counts(self, job_id: str) -> Counts:
        """Ask Dataflow for the job's metrics."""
        return self._jobs.counts(job_id)

    def why_failed(self, job_id: str) -> str:
        """Give the last error among the job's messages."""
        return self._jobs.last_error(job_id) or _NO_REASON

    def cancel(self, job_id: str) -> None:
        """Ask Dataflow to cancel the job, unless it has ended already: Dataflow would refuse that."""
        if not self.state(job_id).is_over:
            self._jobs.cancel(job_id)

    @property
    def _jobs(self) -> DataflowJobs:
        options = self.options
        return DataflowJobs(str(options.project), str(options.region), options.dataflow_endpoint)


@contextmanager
def _submission_errors(job_name: str) -> Iterator[None]:
    """Translate exceptions of Beam's client, which stages files and creates the job, into RunError."""
    try:
        yield
    except DataflowJobAlreadyExistsError as error:
        raise _active_already(job_name, str(error)) from error
    except _refusals() as error:
        cause = " ".join(str(error).split())[:500]
        raise RunError(f"Dataflow refuses job {job_name}: {cause}") from error


def _refusals() -> tuple[type[Exception], ...]:
    """Give the exceptions of Beam, of Google's clients and of the network."""
    return (ValueError, RuntimeError, *_client_errors())


def _active_already(job_name: str, what: str) -> RunError:
    return RunError(
        f"job {job_name} is active already ({what}): wait for it with 'facebeam finalize', cancel it with "
        "'facebeam cancel', or give another --run-id"
    )
