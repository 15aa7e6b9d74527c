"""Call Flink's REST interface, as far as a run needs it; the paths are the same in Flink 1 and 2.

https://nightlies.apache.org/flink/flink-docs-release-1.20/docs/ops/rest_api/
"""

import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, NamedTuple

import requests

from facebeam.runners.clusters.cluster import UnreachableError

_CAUSE: Final = re.compile(r"^Caused by: (.+)$", re.MULTILINE)
_CLASSES: Final = re.compile(r"^(?:(?:[a-z_]\w*\.)+([A-Z][\w$]*): )+")
_STARTS_WORKERS: Final = "ExternalEnvironmentFactory"
"""The class in Beam that asks a worker pool for a worker."""


def innermost_cause(trace: str) -> str:
    r"""Give the last cause of a Java stack trace with its class; a text without causes stays as it is.

    Flink repeats the class when it passes a failure on, and escapes line ends in answers by REST.

    >>> innermost_cause("a.AException: x\n  at B\nCaused by: c.CException: c.CException: no room")
    'CException: no room'
    """
    plain = trace.replace(r"\n", "\n").replace(r"\t", "\t").strip()
    causes: list[str] = _CAUSE.findall(plain)
    return _CLASSES.sub(r"\1: ", causes[-1] if causes else plain)


def explain_failure(trace: str, worker_pool: str) -> str:
    """Give a job's failure: a worker's traceback as it is, or the innermost cause of a failure of Flink."""
    if "Traceback (most recent call last)" in trace:
        return trace
    cause = innermost_cause(trace)
    if _STARTS_WORKERS in trace:
        return (
            f"RunError: Flink's TaskManagers cannot get a worker from --worker-pool {worker_pool} ({cause}): "
            "start Beam's worker pool there, or correct the flag"
        )
    return cause


_TIMEOUT_S: Final = (5.0, 20.0)
"""Seconds to connect, and seconds between two bytes of the answer."""


class Slots(NamedTuple):
    """The slots of a Flink cluster: each processes one part of a job at a time."""

    total: int
    free: int
    task_managers: int

    @property
    def each(self) -> int:
        """Slots per TaskManager, if all have the same number."""
        return self.total // max(1, self.task_managers)


@dataclass(frozen=True)
class FlinkRest:
    """A JobManager's REST interface at `host:port`; every method raises UnreachableError."""

    master: str

    def version(self) -> str:
        """Give Flink's version, such as `1.20.5`."""
        version = self._get("config").get("flink-version")
        if version is None:
            raise UnreachableError(f"{self.master} is not a JobManager: it does not report Flink's version")
        return str(version)

    def slots(self) -> Slots:
        """Count the slots of all TaskManagers."""
        overview = self._get("overview")
        return Slots(overview["slots-total"], overview["slots-available"], overview["taskmanagers"])

    def task_manager_hosts(self) -> set[str]:
        """Give the hosts of the TaskManagers, as they have registered them."""
        paths = (each["path"] for each in self._get("taskmanagers")["taskmanagers"])
        return {found[1] for path in paths if (found := re.search(r"@(.+):\d+/", path))}

    def job_at_work(self, name: str) -> str | None:
        """Give the id of a job with this name that has not ended; None if there is none."""
        jobs = self._get("jobs/overview")["jobs"]
        return next((job["jid"] for job in jobs if job["name"] == name and job["end-time"] < 0), None)

    def job_state(self, job_id: str) -> str | None:
        """Give Flink's name for the state of a job; None if Flink does not know the job."""
        response = self._ask("GET", f"jobs/{job_id}", HTTPStatus.NOT_FOUND)
        return None if response.status_code == HTTPStatus.NOT_FOUND else str(response.json()["state"])

    def failure(self, job_id: str) -> str:
        """Give the stack trace of a job's last failure; empty if there is none."""
        history = self._get(f"jobs/{job_id}/exceptions")["exceptionHistory"]["entries"]
        return str(history[0]["stacktrace"]) if history else ""

    def accumulator(self, job_id: str, name: str) -> str:
        """Give the text of a job's accumulator; empty if there is none."""
        response = self._ask("GET", f"jobs/{job_id}/accumulators", HTTPStatus.NOT_FOUND)
        found = response.json().get("user-task-accumulators", [])
        return next((str(each["value"]) for each in found if each["name"] == name), "")

    def cancel(self, job_id: str) -> None:
        """Ask Flink to cancel a job; a job that has ended, or that Flink does not know, is ignored."""
        self._ask("PATCH", f"jobs/{job_id}?mode=cancel", HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT)

    def _get(self, path: str) -> dict[str, Any]:
        answer: dict[str, Any] = self._ask("GET", path).json()
        return answer

    def _ask(self, method: str, path: str, *also_right: HTTPStatus) -> requests.Response:
        url = f"http://{self.master}/v1/{path}"
        try:
            response = requests.request(method, url, timeout=_TIMEOUT_S)
            if response.status_code not in also_right:
                response.raise_for_status()
        except requests.RequestException as error:
            raise UnreachableError(
                f"the JobManager at {self.master} does not answer: {type(error).__name__}"
            ) from error
        return response
