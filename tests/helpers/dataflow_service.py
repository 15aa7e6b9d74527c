"""A stand-in for Dataflow's REST service (v1b3) on the loopback: it stores jobs and starts their work.

with DataflowService(work) as service:       # the service calls work(job) in a new thread for each job
    submit(endpoint=service.endpoint)
assert service.jobs["2026-..."].submitted["environment"]["workerPools"][0]["numWorkers"] == 1
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any, ClassVar, Final, Self
from urllib.parse import parse_qs, urlsplit

ENDED: Final = ("JOB_STATE_DONE", "JOB_STATE_FAILED", "JOB_STATE_CANCELLED")
_JOBS: Final = re.compile(r"/v1b3/projects/([^/]+)/locations/([^/]+)/jobs(?:/([^/]+))?(/messages|/metrics)?")
Json = dict[str, Any]


@dataclass
class Job:
    """A job as the service stores it."""

    job_id: str
    submitted: Json
    """The request that created the job."""
    state: str = "JOB_STATE_PENDING"
    errors: list[str] = field(default_factory=list)
    """The job's error messages, oldest first."""
    metrics: list[Json] = field(default_factory=list)
    """The job's metrics, as the service reports them."""
    cancelled: Event = field(default_factory=Event)
    """Set when a client cancels the job."""
    is_known: bool = False
    """Whether clients can look the job up. The first look-up of a new job fails, as on Dataflow."""
    tells: bool = False
    """Whether clients can read the job's messages, which come later than its state."""

    @property
    def name(self) -> str:
        """The job's name. Only one active job can have it."""
        return str(self.submitted["name"])

    @property
    def is_active(self) -> bool:
        """Tell whether the job has not ended yet."""
        return self.state not in ENDED

    def resource(self) -> Json:
        """Give the job as the service reports it to clients."""
        kept: Json = {
            name: self.submitted[name] for name in ("name", "clientRequestId") if name in self.submitted
        }
        return {**kept, "id": self.job_id, "currentState": self.state}


Work = Callable[[Job], None]
"""Runs a job: updates its state and errors, and checks whether a client has cancelled it."""


def wait_for_ever(job: Job) -> None:
    """Keep a job running until it is cancelled."""
    job.state = "JOB_STATE_RUNNING"
    job.cancelled.wait()
    job.state = "JOB_STATE_CANCELLED"


class DataflowService(ThreadingHTTPServer):
    """The stand-in service. It accepts any project, and the regions in `regions`."""

    daemon_threads = True
    regions: ClassVar = ("europe-west1",)

    def __init__(self, work: Work = wait_for_ever) -> None:
        super().__init__(("127.0.0.1", 0), _Exchange)
        self.work = work
        self.jobs: dict[str, Job] = {}
        self.updates: list[Json] = []
        """The changes to jobs that clients asked for, oldest first."""
        self.endpoint = f"http://localhost:{self.server_port}"
        """Its host is `localhost`, the only one with which Beam's client speaks HTTP without TLS."""

    def __enter__(self) -> Self:
        Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for job in self.jobs.values():
            job.cancelled.set()
        self.shutdown()
        self.server_close()

    def take(self, submitted: Json) -> Job:
        """Create a job and start its work; give an active job of its name instead, as Dataflow does."""
        for job in self.jobs.values():
            if job.is_active and job.name == submitted["name"]:
                return job
        job = Job(f"2026-11-23_00_00_{len(self.jobs):02d}-1", submitted)
        self.jobs[job.job_id] = job
        Thread(target=self.work, args=(job,), daemon=True).start()
        return job

    def update(self, job: Job, changes: Json) -> Job:
        """Cancel a job if the changes ask for it; a job that has ended stays as it is."""
        self.updates.append(changes)
        if changes.get("requestedState") in {5, "JOB_STATE_CANCELLED"} and job.is_active:
            job.state = "JOB_STATE_CANCELLING"
            job.cancelled.set()
        return job


class _Exchange(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: DataflowService

    def do_GET(self) -> None:
        self._about_jobs(self._tell)

    def do_POST(self) -> None:
        if self.path == "/token":
            self._body()
            self._answer({"access_token": "made-up", "expires_in": 3600, "token_type": "Bearer"})
            return
        self._about_jobs(lambda _: self.server.take(self._body()).resource())

    def do_PUT(self) -> None:
        self._about_jobs(lambda job_id: self.server.update(self.server.jobs[job_id], self._body()).resource())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the standard library's name
        """Write no log."""

    def _about_jobs(self, do: Callable[[str], Json]) -> None:
        found = _JOBS.fullmatch(urlsplit(self.path).path)
        if not found or found[2] not in self.server.regions:
            self._refuse(400, f"no such region: {self.path}")
        elif found[3] and not self._knows(found[3]):
            self._refuse(404, f"no such job: {found[3]}")
        else:
            self._answer(do(found[3] or ""))

    def _knows(self, job_id: str) -> bool:
        """Tell whether a job can be looked up; the first look-up of a new job fails."""
        job = self.server.jobs.get(job_id)
        if job is None:
            return False
        known, job.is_known = job.is_known, True
        return known

    def _tell(self, job_id: str) -> Json:
        if not job_id:
            return self._list(parse_qs(urlsplit(self.path).query))
        job = self.server.jobs[job_id]
        path = urlsplit(self.path).path
        if path.endswith("/metrics"):
            return {"metrics": job.metrics}
        if not path.endswith("/messages"):
            return job.resource()
        told, job.tells = job.tells, True
        return {"jobMessages": [_error(number, text) for number, text in enumerate(job.errors) if told]}

    def _list(self, query: Mapping[str, list[str]]) -> Json:
        names = query.get("name", [])
        wanted = [job for job in self.server.jobs.values() if not names or job.name in names]
        only_active = query.get("filter", []) in (["ACTIVE"], ["3"])
        return {"jobs": [job.resource() for job in wanted if job.is_active or not only_active]}

    def _body(self) -> Json:
        read = self.rfile.read(int(self.headers["Content-Length"] or 0))
        if self.path == "/token":
            return {}
        body: Json = json.loads(read)
        return body

    def _answer(self, value: Json, status: int = 200) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _refuse(self, status: int, message: str) -> None:
        self.rfile.read(int(self.headers["Content-Length"] or 0))
        self._answer({"error": {"code": status, "message": message}}, status)


def user_metric(
    step: str, name: str, value: int | Mapping[str, int], *, tentative: bool, namespace: str = "facebeam"
) -> Json:
    """Give a metric as Dataflow reports it: a counter's value, or the numbers of a distribution."""
    context = {"namespace": namespace, "step": step} | ({"tentative": "true"} if tentative else {})
    kind = {"scalar": value} if isinstance(value, int) else {"distribution": value}
    return {"name": {"origin": "user", "name": name, "context": context}, **kind}


def _error(number: int, text: str) -> Json:
    return {
        "id": str(number),
        "time": f"2026-11-23T00:00:{number:02d}Z",
        "messageText": text,
        "messageImportance": "JOB_MESSAGE_ERROR",
    }
