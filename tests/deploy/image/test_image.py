"""The image, built by `make image` and run as Kubernetes runs it: `make image-test`.

It is built on stand-ins for its two base images (bases.Dockerfile).
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import DEVNULL, STDOUT, CompletedProcess, run

import pytest

from facebeam.transforms.steps.same_version import installed_version
from tests.deploy.image.image_store import BUILD, USE, make_stand_ins, missing
from tests.helpers.console import ROOT, run_json, table
from tests.helpers.deploy_files import text
from tests.helpers.processes import running
from tests.helpers.waiting import DEADLINE_S, wait_until

WORKER = "facebeam:test"
LAUNCHER = "facebeam-launcher:test"
POD = ("--cap-drop=all", "--read-only", "--workdir=/tmp", "--env=HOME=/tmp")
"""What deploy/kubernetes sets for its containers; /tmp can be written to."""
ALONE = "--network=none"
WITH_THE_POOL = "--network=container:facebeam-pool"
ANNOTATE = (
    *("annotate", "--manifest=examples/photos.csv", "--allow-local-files", "--output=out", "--run-id=one"),
    *("--max-failure-share=0.25", "--runner=portable", "--job-endpoint=127.0.0.1:8099"),
    *("--worker-pool=127.0.0.1:50000", "--shared-filesystem"),
)


@pytest.fixture(scope="module", autouse=True)
def images() -> None:
    """Build both stages by `make image`; skip the tests where that is not possible."""
    if lacking := missing():
        pytest.skip(f"the image cannot be built, because this machine does not have {lacking}")
    (sdk,) = re.findall(r"^FROM (\S+) AS worker$", text("Dockerfile"), re.MULTILINE)
    (launcher,) = re.findall(r"^COPY --from=(\S+)", text("Dockerfile"), re.MULTILINE)
    make_stand_ins({"sdk": sdk, "launcher": launcher})
    for image, stage in ((WORKER, "worker"), (LAUNCHER, "launcher")):
        make = ["make", "image", "ENGINE=buildah", f"IMAGE={image}", f"STAGE={stage}"]
        run(make, cwd=ROOT, env=BUILD, check=True)


def container(*arguments: object) -> list[str]:
    """Give the command that runs a container: options of podman, the image, and its program's arguments."""
    run_it = (
        # podman's default, crun 1.8, refuses machines with both versions of cgroups.
        *("podman", "--runtime=runc", "run", "--rm"),
        # podman as root raises these limits, which is forbidden within some containers.
        *("--ulimit=nofile=1024:1024", "--ulimit=nproc=4096:4096"),
        # podman adds the user to /etc/passwd; Kubernetes does not always.
        "--passwd=false",
    )
    return [*run_it, *map(str, arguments)]


def in_container(*arguments: object) -> CompletedProcess[str]:
    """Run a container to its end."""
    command = container(*arguments)
    return run(command, env=USE, capture_output=True, text=True, check=False, timeout=DEADLINE_S)


@contextmanager
def serving(name: str, port: int, logs: Path, *arguments: object) -> Iterator[None]:
    """Run a server in a container until the end of the block; its port is open when the block begins."""
    remove = ["podman", "rm", "--force", "--ignore", name]
    run(remove, env=USE, stdout=DEVNULL, check=True)  # one that was left by tests that were killed
    command = container(f"--name={name}", *arguments)
    log = logs / f"{name}.log"
    with log.open("wb") as output, running(command, stdout=output, stderr=STDOUT, env=USE) as server:
        try:
            wait_until(lambda: server.poll() is not None or is_open(name, port))
            assert server.poll() is None, log.read_text()
            yield
        finally:
            run(remove, env=USE, stdout=DEVNULL, check=True)


def is_open(name: str, port: int) -> bool:
    """Tell whether a program listens on a port of a container's loopback."""
    probe = ["podman", "exec", name, "bash", "-c", f"</dev/tcp/127.0.0.1/{port}"]
    return run(probe, env=USE, capture_output=True, check=False).returncode == 0


def test_the_command_is_in_the_image() -> None:
    """The image contains `facebeam` in this version."""
    finished = in_container(ALONE, *POD, "--user=1000", "--entrypoint=facebeam", WORKER, "--version")
    assert finished.stdout == f"facebeam {installed_version()}\n", finished.stderr


def test_a_pool_annotates_as_in_kubernetes(photos: Path, tmp_path: Path) -> None:
    """Pool and submitter annotate the demo's photographs as user 1000, on a root that they cannot write to.

    Beam's job service stands in for Flink. As in one pod, all three share a network; this one leads nowhere.
    """
    output = tmp_path / "out"
    output.mkdir()
    os.chown(output, 1000, 1000)
    shared = {f"{photos}:/tmp/.photos:ro", f"{ROOT}/examples:/tmp/examples:ro", f"{output}:/tmp/out"}
    pod = (*POD, "--user=1000", *(f"--volume={volume}" for volume in shared))
    engine = ("--entrypoint=python", WORKER, "-m", "apache_beam.runners.portability.local_job_service_main")
    with (
        serving("facebeam-pool", 50000, tmp_path, ALONE, *pod, WORKER, "--worker_pool"),
        serving("facebeam-engine", 8099, tmp_path, WITH_THE_POOL, *pod, *engine, "--port=8099"),
    ):
        finished = in_container(WITH_THE_POOL, *pod, "--entrypoint=facebeam", WORKER, *ANNOTATE)
    assert finished.returncode == 0, finished.stderr
    assert run_json(output, "one")["counts"]["rows_read"] == 15
    assert len(table(output, "faces")) == 9


def test_beams_boot_program_does_not_start_as_a_user_without_a_name() -> None:
    """The pool crashes as a user who is not in /etc/passwd: this is why the Dockerfile adds one."""
    finished = in_container(ALONE, *POD, "--user=1001", WORKER, "--worker_pool")
    assert finished.returncode == 2
    assert "nil pointer dereference" in finished.stderr
    assert "expansionx.newJarGetter" in finished.stderr


def test_the_launcher_starts_facebeam() -> None:
    """The launcher's image has the launcher at its path; it starts our file with the image's packages."""
    launcher = "--entrypoint=/opt/google/dataflow/python_template_launcher"
    finished = in_container(ALONE, launcher, LAUNCHER, "--manifest=photos.csv", "--stop_at=25:00")
    assert (finished.returncode, finished.stdout) == (2, "")
    assert "argument --stop-at: '25:00' is not a time of day" in finished.stderr
