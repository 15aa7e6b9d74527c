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

from tests.engines.flink.flink_configuration import SCRATCH, ZOOKEEPER, write_configuration
from tests.helpers.console import ROOT
from tests.helpers.processes import free_port, running, wait_for_port

FLINK: Final = ROOT / ".flink"
"""A folder of Flink's libraries for each version, and Beam's job server; `make .flink/ready` makes it."""
JOB_SERVER_JAR: Final = FLINK / "target" / "flink-job-server.jar"
SLOTS: Final = 2
_STARTS_WITHIN_S: Final = 180
_JOB_MANAGER: Final = "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint"
_ZOOKEEPER: Final = "org.apache.flink.runtime.zookeeper.FlinkZooKeeperQuorumPeer"
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
    version: str = "1.20"
    zookeeper_port: int | None = None
    """Where a ZooKeeper keeps the jobs; None: they die with their JobManager."""
    rest_port: int = field(default_factory=free_port)
    job_manager: Popen[str] = field(init=False)
    """The newest; it may have been killed."""
    task_manager: Popen[str] = field(init=False)
    """The newest; it may have been killed."""
    ends: ExitStack = field(default_factory=ExitStack)
    """Ends the processes, newest first."""

    @property
    def address(self) -> str:
        """The value for `--flink-master`."""
        return f"127.0.0.1:{self.rest_port}"

    def start(self) -> None:
        """Start a JobManager and one TaskManager; before them a ZooKeeper, if there is to be one."""
        write_configuration(self.folder, self.rest_port, SLOTS, self.zookeeper_port)
        if self.zookeeper_port is not None:
            self._start_process(_ZOOKEEPER, "--zkConfigFile", self.folder / ZOOKEEPER, "--peerId", 1)
            wait_for_port(self.zookeeper_port)
        self.start_job_manager()
        self.start_task_manager()
        self.wait_for_slots()

    def start_job_manager(self) -> None:
        """Start a JobManager, and wait until it answers; it knows the jobs that a ZooKeeper has kept."""
        self.job_manager = self._start_process(_JOB_MANAGER, "--configDir", self.folder)
        wait_for_port(self.rest_port)

    def start_task_manager(self) -> None:
        """Start a TaskManager."""
        self.task_manager = self._start_process(_TASK_MANAGER, "--configDir", self.folder)

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

    def _start_process(self, main: str, *arguments: object) -> Popen[str]:
        flink = FLINK / f"flink-{self.version}"
        logging = f"-Dlog4j.configurationFile=file:{self.folder}/log4j.properties"
        scratch = f"-Djava.io.tmpdir={self.folder}/{SCRATCH}"
        command = [*_JAVA, logging, scratch, "-cp", f"{flink}/lib/*", main, *arguments]
        env = os.environ | {"FLINK_PLUGINS_DIR": f"{flink}/plugins"}
        log = self.folder / f"{len(list(self.folder.glob('*.log')))}-{main.rpartition('.')[2]}.log"
        with log.open("wb") as output:
            return self.ends.enter_context(running(command, stdout=output, stderr=output, env=env))


@contextmanager
def session_cluster(
    folder: Path, version: str = "1.20", *, high_availability: bool = False
) -> Iterator[SessionCluster]:
    """Start a cluster and end it.

    Args:
        folder: for the cluster's files; it does not exist yet.
        version: `1.19` or `1.20`.
        high_availability: whether a ZooKeeper keeps the jobs for the next JobManager.
    """
    cluster = SessionCluster(folder, version, free_port() if high_availability else None)
    with cluster.ends:
        cluster.start()
        yield cluster
