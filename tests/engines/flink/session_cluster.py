"""A Flink session cluster on the loopback: a JobManager, and TaskManagers that can be killed and replaced."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import Popen
from time import monotonic, sleep
from typing import Any, Final

import requests

from tests.engines.flink.flink_configuration import SCRATCH, write_configuration
from tests.helpers.console import ROOT
from tests.helpers.processes import free_port, running, wait_for_port

FLINK: Final = ROOT / ".flink"
"""Flink's libraries from PyPI, and Beam's job server for them; `make .flink/ready` makes it."""
JOB_SERVER_JAR: Final = FLINK / "target" / "flink-job-server.jar"
SLOTS: Final = 2
_STARTS_WITHIN_S: Final = 180
_JOB_MANAGER: Final = "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint"
_TASK_MANAGER: Final = "org.apache.flink.runtime.taskexecutor.TaskManagerRunner"
_OPEN_TO_FLINK: Final = (
    "lang",
    "lang.reflect",
    "net",
    "io",
    "nio",
    "text",
    "time",
    "util",
    "util.concurrent",
)
_JAVA: Final = (
    "java",
    "-Xmx1g",
    "-XX:MaxDirectMemorySize=1g",
    *(f"--add-opens=java.base/java.{package}=ALL-UNNAMED" for package in _OPEN_TO_FLINK),
)


@dataclass
class SessionCluster:
    """A cluster; `folder` is for its configuration, logs and temporary files."""

    folder: Path
    rest_port: int = field(default_factory=free_port)
    processes: list[Popen[str]] = field(default_factory=list)
    """All processes that were started, oldest first."""
    ends: ExitStack = field(default_factory=ExitStack)
    """Ends the processes, newest first."""

    @property
    def address(self) -> str:
        """The value for `--flink-master`."""
        return f"127.0.0.1:{self.rest_port}"

    def start(self) -> None:
        """Start a JobManager and one TaskManager."""
        write_configuration(self.folder, self.rest_port, SLOTS)
        self.start_job_manager()
        self.start_task_manager()
        self.wait_for_slots()

    def start_job_manager(self) -> None:
        """Start a JobManager, which does not know any job yet, and wait until it answers."""
        self._start_process(_JOB_MANAGER)
        wait_for_port(self.rest_port)

    def start_task_manager(self) -> None:
        """Start a TaskManager."""
        self._start_process(_TASK_MANAGER)

    def wait_for_slots(self) -> None:
        """Wait until all slots are free."""
        until = monotonic() + _STARTS_WITHIN_S
        while self.free_slots() != SLOTS:
            assert monotonic() < until, f"Flink has {self.free_slots()} free slots: see {self.folder}"
            sleep(0.2)

    def free_slots(self) -> int:
        """Count the free slots; give 0 while Flink starts."""
        answer = requests.get(f"http://{self.address}/v1/overview", timeout=20)
        return int(answer.json()["slots-available"]) if answer.ok else 0

    def jobs(self) -> list[dict[str, str]]:
        """List all jobs, newest first."""
        jobs: list[dict[str, str]] = self._ask("jobs/overview")["jobs"]
        return sorted(jobs, key=lambda job: job["start-time"], reverse=True)

    def jars(self) -> list[dict[str, str]]:
        """List the jars that were uploaded and not deleted."""
        jars: list[dict[str, str]] = self._ask("jars")["files"]
        return jars

    def parallelism(self, job_id: str) -> int:
        """Give the highest number of slots that a step of the job used."""
        return max(vertex["parallelism"] for vertex in self._ask(f"jobs/{job_id}")["vertices"])

    def _ask(self, path: str) -> dict[str, Any]:
        answer: dict[str, Any] = requests.get(f"http://{self.address}/v1/{path}", timeout=20).json()
        return answer

    def _start_process(self, main: str) -> None:
        logging = f"-Dlog4j.configurationFile=file:{self.folder}/log4j.properties"
        scratch = f"-Djava.io.tmpdir={self.folder}/{SCRATCH}"
        command = [
            *_JAVA,
            logging,
            scratch,
            "-cp",
            f"{FLINK}/deps/lib/*",
            main,
            "--configDir",
            str(self.folder),
        ]
        env = os.environ | {"FLINK_PLUGINS_DIR": f"{FLINK}/deps/plugins"}
        log = self.folder / f"{len(self.processes)}-{main.rpartition('.')[2]}.log"
        with log.open("wb") as output:
            process = self.ends.enter_context(running(command, stdout=output, stderr=output, env=env))
        self.processes.append(process)


@contextmanager
def session_cluster(folder: Path) -> Iterator[SessionCluster]:
    """Start a cluster and end it."""
    cluster = SessionCluster(folder)
    with cluster.ends:
        cluster.start()
        yield cluster
