"""The jobs of one project and region, by Google's own client: what it raises becomes ours."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import sleep
from typing import Final

from google.api_core.client_options import ClientOptions  # type: ignore[import-untyped]  # an extra
from google.api_core.exceptions import NotFound, RetryError  # type: ignore[import-untyped]  # an extra
from google.api_core.retry import Retry, if_exception_type  # type: ignore[import-untyped]  # an extra
from google.auth.credentials import AnonymousCredentials  # type: ignore[import-untyped]  # an extra
from google.cloud import dataflow  # type: ignore[import-untyped]  # an extra

from runners.clusters.cluster import JobState, UnreachableError
from transforms.vendor_errors import vendor_errors

_TIMEOUT_S: Final = 20.0
_SETTLES: Final = Retry(if_exception_type(NotFound), initial=1.0, maximum=2.0, timeout=10.0)
"""Dataflow says 404 of a job that it has only just taken: https://github.com/apache/beam/issues/19350."""
_LOOKS: Final = 15
_LOOK_EVERY_S: Final = 2.0
"""The reason of a failure is told up to half a minute after the failure."""
_STATES: Final = {
    dataflow.JobState.JOB_STATE_DONE: JobState.DONE,
    dataflow.JobState.JOB_STATE_FAILED: JobState.FAILED,
    dataflow.JobState.JOB_STATE_CANCELLED: JobState.CANCELLED,
    dataflow.JobState.JOB_STATE_UPDATED: JobState.CANCELLED,
    dataflow.JobState.JOB_STATE_DRAINED: JobState.CANCELLED,
}


@dataclass(frozen=True)
class DataflowJobs:
    """Jobs of a project in a region.

    Args:
        project: the project's id.
        region: where the jobs run.
        endpoint: another address than Google's; one that begins with `http://` is sent no credentials.
    """

    project: str
    region: str
    endpoint: str | None

    def active(self, name: str) -> str | None:
        """Give the id of the job of this name that is at work, if there is one."""
        with self._errors():
            return self._newest(name, dataflow.ListJobsRequest.Filter.ACTIVE)

    def state(self, job_id: str) -> JobState:
        """Ask how far a job has come."""
        with self._errors():
            client = dataflow.JobsV1Beta3Client(**self._connection)
            request = self._place | {"job_id": self._id(job_id)}
            try:
                job = client.get_job(request, retry=_SETTLES, timeout=_TIMEOUT_S)
            except (NotFound, RetryError):
                return JobState.GONE
            return _STATES.get(job.current_state, JobState.RUNNING)

    def last_error(self, job_id: str) -> str | None:
        """Give the last error with a traceback among a job's messages, or else the last error."""
        for _ in range(_LOOKS):
            if errors := [*self._errors_of(job_id)]:
                return next((text for text in reversed(errors) if "Traceback" in text), errors[-1])
            sleep(_LOOK_EVERY_S)
        return None

    def cancel(self, job_id: str) -> None:
        """Ask for a job's end."""
        end = {"requested_state": dataflow.JobState.JOB_STATE_CANCELLED}
        with self._errors():
            request = {**self._place, "job_id": self._id(job_id), "job": end}
            dataflow.JobsV1Beta3Client(**self._connection).update_job(request, timeout=_TIMEOUT_S)

    def _id(self, job_id: str) -> str:
        """Give an id as it is, and that of the newest job for a name; a name that no job has stays one."""
        if re.match(r"\d{4}-\d\d-\d\d_", job_id):
            return job_id
        return self._newest(job_id, dataflow.ListJobsRequest.Filter.ALL) or job_id

    def _newest(self, name: str, filter_: object) -> str | None:
        request = {**self._place, "name": name, "filter": filter_}
        found = dataflow.JobsV1Beta3Client(**self._connection).list_jobs(request, timeout=_TIMEOUT_S)
        return max(
            (str(job.id) for job in found if job.name == name), default=None
        )  # ids begin with the time

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
        """Translate what Google's client raises; raises UnreachableError."""
        try:
            yield
        except vendor_errors() as error:
            cause = " ".join(str(error).split())[:300]
            raise UnreachableError(
                f"Dataflow does not answer for project {self.project}, region {self.region} ({cause}): check "
                "--project and --region, and that your account has the role dataflow.developer there"
            ) from error
