"""The configuration of a small Flink on the loopback."""

from pathlib import Path
from typing import Final

from tests.helpers.processes import free_port

# A job needs about 52 tasks and 512 network buffers. Flink's shell scripts normally compute the memory sizes.
# All sizes are given here, because Flink's package on PyPI has no scripts.
_CONFIGURATION: Final = """\
jobmanager.rpc.address: 127.0.0.1
jobmanager.rpc.port: {rpc_port}
jobmanager.bind-host: 127.0.0.1
rest.address: 127.0.0.1
rest.bind-address: 127.0.0.1
rest.port: {rest_port}
taskmanager.host: 127.0.0.1
taskmanager.bind-host: 127.0.0.1
taskmanager.numberOfTaskSlots: {slots}
taskmanager.cpu.cores: {slots}
taskmanager.memory.framework.heap.size: 128m
taskmanager.memory.framework.off-heap.size: 128m
taskmanager.memory.task.heap.size: 700m
taskmanager.memory.task.off-heap.size: 128m
taskmanager.memory.managed.size: 128m
taskmanager.memory.network.min: 400m
taskmanager.memory.network.max: 400m
taskmanager.memory.jvm-metaspace.size: 256m
taskmanager.memory.jvm-overhead.min: 192m
taskmanager.memory.jvm-overhead.max: 192m
heartbeat.interval: 2000
heartbeat.timeout: 20000
cluster.registration.initial-timeout: 100
cluster.registration.error-delay: 500
cluster.registration.refused-registration-delay: 500
restart-strategy.type: failure-rate
restart-strategy.failure-rate.max-failures-per-interval: 2
restart-strategy.failure-rate.failure-rate-interval: 10 min
restart-strategy.failure-rate.delay: 1s
io.tmp.dirs: {scratch}
"""
# With it, a JobManager finds the jobs of the one before it.
# A killed JobManager remains the leader until its session ends; Flink's default is 60 s.
_HIGH_AVAILABILITY: Final = """\
high-availability.type: zookeeper
high-availability.zookeeper.quorum: 127.0.0.1:{zookeeper_port}
high-availability.zookeeper.client.session-timeout: 5000
high-availability.storageDir: file://{folder}/jobs
"""
_ZOOKEEPER: Final = """\
clientPort={zookeeper_port}
clientPortAddress=127.0.0.1
dataDir={folder}/zookeeper
"""
ZOOKEEPER: Final = "zookeeper.properties"
SCRATCH: Final = "scratch"
_LOGGING: Final = """\
rootLogger.level = INFO
rootLogger.appenderRef.console.ref = Console
appender.console.name = Console
appender.console.type = CONSOLE
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{HH:mm:ss} %-5p %c - %m%n
"""


def write_configuration(folder: Path, rest_port: int, slots: int, zookeeper_port: int | None = None) -> None:
    """Write what Flink's programs read from `--configDir`, and make a folder for their temporary files.

    Args:
        folder: where to write; it does not exist yet.
        rest_port: the port of the JobManager's REST interface.
        slots: number of slots per TaskManager.
        zookeeper_port: the port of the ZooKeeper that keeps the jobs; None: no high availability.
    """
    (folder / SCRATCH).mkdir(parents=True)
    (folder / "log4j.properties").write_text(_LOGGING)
    configuration = _CONFIGURATION.format(
        rpc_port=free_port(), rest_port=rest_port, slots=slots, scratch=folder / SCRATCH
    )
    if zookeeper_port is not None:
        (folder / ZOOKEEPER).write_text(_ZOOKEEPER.format(zookeeper_port=zookeeper_port, folder=folder))
        configuration += _HIGH_AVAILABILITY.format(zookeeper_port=zookeeper_port, folder=folder)
    (folder / "config.yaml").write_text(configuration)
