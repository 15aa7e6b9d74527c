"""The options of the Flink engine: which flags Beam gets, and what the engine refuses before it submits."""

from collections.abc import Callable
from pathlib import Path
from zipfile import ZipFile

import pytest
from apache_beam.options.pipeline_options import (
    DebugOptions,
    FlinkRunnerOptions,
    GoogleCloudOptions,
    PipelineOptions,
    PortableOptions,
    StandardOptions,
)

from facebeam.runners.clusters.flink import Flink
from facebeam.schemas.errors import RunError
from tests.helpers.console import rehearse, write_urls
from tests.helpers.flink_job_manager import ELSEWHERE, HERE, job_manager, tells
from tests.helpers.processes import free_port
from tests.helpers.scripted_server import Script, ScriptedServer, not_found

POOL = "localhost:50000"
RUNNER_CLASS = "org/apache/beam/runners/flink/FlinkPipelineRunner.class"


def refusal(flink: Flink) -> str:
    """Run the checks that must fail, and give the error's message."""
    with pytest.raises(RunError) as raised:
        flink.check("facebeam-one")
    return str(raised.value)


def test_the_options_of_beam() -> None:
    """Beam gets the runner, the jar, its upload by REST, the parallelism and the pool, and nothing else."""
    flags = Flink("flink.internal:8081", "localhost:50000", "/jars/flink.jar", 4).beam_flags("facebeam-one")
    options = PipelineOptions(flags)
    assert options.view_as(StandardOptions).runner == "FlinkRunner"
    assert options.view_as(GoogleCloudOptions).job_name == "facebeam-one"
    flink = options.view_as(FlinkRunnerOptions)
    assert flink.flink_master == "http://flink.internal:8081"
    assert flink.flink_job_server_jar == "/jars/flink.jar"
    assert (flink.flink_submit_uber_jar, flink.parallelism) == (True, 4)
    portable = options.view_as(PortableOptions)
    assert (portable.environment_type, portable.environment_config) == ("EXTERNAL", "localhost:50000")
    assert options.view_as(DebugOptions).experiments == ["disable_logging_submission_environment"]
    assert len(options.get_all_options(drop_default=True)) == 9


def test_what_is_left_out_is_left_to_beam() -> None:
    """If no jar and no parallelism are given, Beam gets neither and chooses both itself."""
    flags = Flink("flink.internal:8081", POOL).beam_flags("facebeam-one")
    assert not [flag for flag in flags if "jar=" in flag or "parallelism" in flag]


@pytest.mark.parametrize("version", ["1.19.3", "1.20.5", "2.2.1"])
def test_a_version_that_beam_knows_passes(version: str) -> None:
    """`check` accepts each version of Flink that Beam supports, and changes nothing on the cluster."""
    with job_manager(version) as server:
        Flink(server.authority, POOL).check("facebeam-one")
    assert {request.method for request in server.seen} == {"GET"}


@pytest.mark.parametrize("version", ["1.18.1", "2.20.1", "3.0-SNAPSHOT"])
def test_a_version_that_beam_does_not_know_is_refused(version: str) -> None:
    """`check` refuses a version that Beam does not support, and names it and the supported versions."""
    with job_manager(version) as server:
        told = refusal(Flink(server.authority, POOL))
    assert (
        f"--flink-master {server.authority} is Flink {version}, and Beam has a runner for 1.19, 1.20" in told
    )


@pytest.mark.parametrize(("parallelism", "wanted"), [(4, 4), (None, 1)])
def test_too_few_free_slots_are_refused(parallelism: int | None, wanted: int) -> None:
    """`check` refuses a cluster with too few free slots; the error has both numbers and the cure."""
    with job_manager(free_slots=0) as server:
        told = refusal(Flink(server.authority, POOL, parallelism=parallelism))
    assert f"has 0 free slots of 2, and the run needs {wanted}: wait for other jobs, start another" in told


def test_a_master_that_is_not_there_is_told() -> None:
    """If the JobManager does not answer, the error has the flag, the address and the cure."""
    closed = f"127.0.0.1:{free_port()}"
    told = refusal(Flink(closed, POOL))
    assert f"--flink-master {closed} does not answer (Connection refused): start Flink's JobManager" in told


@pytest.mark.parametrize(
    ("says", "told"),
    [
        (not_found, "does not answer: HTTPError"),
        (tells({"name": "something else"}), "it does not report Flink's"),
    ],
)
def test_a_server_that_is_no_job_manager_is_told(says: Script, told: str) -> None:
    """If another server answers, the error has its address and what is missing in its answer."""
    with ScriptedServer({"/v1/config": says}) as server:
        said = refusal(Flink(server.authority, POOL))
    assert server.authority in said
    assert told in said


def write_jar(path: Path, name: str = RUNNER_CLASS) -> Path:
    """Write a jar with one class in it."""
    with ZipFile(path, "w") as jar:
        jar.writestr(name, bytes(range(256)))
    return path


def absent(path: Path) -> None:
    """Delete the jar."""
    path.unlink()


def cut(path: Path) -> None:
    """Cut the jar in half, as a broken download does."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def changed(path: Path) -> None:
    """Change one byte of the class."""
    path.write_bytes(path.read_bytes().replace(b"\x41\x42\x43", b"\x41\x41\x43"))


def another(path: Path) -> None:
    """Replace the jar with another program's."""
    write_jar(path, "org/example/Main.class")


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (absent, "cannot be read (No such file or directory)"),
        (cut, "is not a jar (File is not a zip file)"),
        (changed, f"is damaged at {RUNNER_CLASS}"),
        (another, "does not contain Beam's Flink runner"),
    ],
)
def test_a_jar_that_is_missing_or_altered_is_refused(
    harm: Callable[[Path], None], told: str, tmp_path: Path
) -> None:
    """`check` accepts a whole jar. Otherwise the error has the flag, the path, the defect and the cure."""
    jar = write_jar(tmp_path / "flink.jar")
    with job_manager() as server:
        flink = Flink(server.authority, POOL, str(jar))
        flink.check("facebeam-one")
        harm(jar)
        said = refusal(flink)
    assert f"--flink-job-server-jar {jar} {told}: give the beam-runners-flink-" in said


def test_a_pool_on_this_machine_is_looked_for_where_task_managers_are_here_too() -> None:
    """`check` reports a closed local pool only if the TaskManagers are on this machine too.

    The `localhost` of TaskManagers elsewhere cannot be reached from here.
    """
    closed = f"localhost:{free_port()}"
    with job_manager(task_manager=HERE) as server:
        told = refusal(Flink(server.authority, closed))
    assert f"--worker-pool {closed} does not answer (Connection refused): start Beam's worker pool" in told
    with job_manager(task_manager=ELSEWHERE) as server:
        Flink(server.authority, closed).check("facebeam-one")


def test_paths_of_this_machine_are_refused_for_a_master_elsewhere(tmp_path: Path) -> None:
    """With a remote master, a run with a local path exits with 2 before it connects.

    The error names the flag, the path and both cures.
    """
    manifest = write_urls(tmp_path / "urls.txt", ["https://example.com/1.jpg"])
    flags = ("--runner", "flink", "--flink-master", "flink.invalid:8081", "--worker-pool", POOL)
    finished = rehearse(manifest, tmp_path / "out", *flags)
    assert finished.returncode == 2
    assert f"--manifest {manifest} is on this machine" in finished.stderr
    assert "--shared-filesystem" in finished.stderr
    assert not (tmp_path / "out").exists()
