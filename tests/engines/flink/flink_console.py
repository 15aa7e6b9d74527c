"""`facebeam --runner flink` as a user runs it, without a token, and the calls that it makes."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE, Popen
from time import monotonic, sleep

import pandas as pd
import requests

from tests.engines.flink.session_cluster import JOB_SERVER_JAR, SessionCluster
from tests.engines.test_portable import tables
from tests.helpers import console
from tests.helpers.api_console import environment, with_token
from tests.helpers.console import FACEBEAM, Finished
from tests.helpers.processes import running

_WITHIN_S = 200


def on(cluster: SessionCluster, pool: str) -> tuple[object, ...]:
    """Give the flags that select a cluster and a pool."""
    jar = ("--flink-job-server-jar", JOB_SERVER_JAR)
    return ("--runner", "flink", "--flink-master", cluster.address, "--worker-pool", pool, *jar)


def annotate(manifest: Path, output: Path, *flags: object) -> Finished:
    """Run `facebeam annotate` to its end."""
    return with_token("annotate", "--manifest", manifest, "--output", output, *flags, token=None)


def same_tables(
    manifest: Path, folder: Path, flags: Sequence[object], flink: Sequence[object]
) -> dict[str, pd.DataFrame]:
    """Run on this machine and on Flink, check that the tables are equal cell by cell, and give them."""
    flags = (*flags, "--max-failure-share", 1, "--run-id", "one")
    assert console.annotate(manifest, folder / "here", *flags).returncode == 0
    finished = annotate(manifest, folder / "there", *flags, *flink)
    assert finished.returncode == 0, finished.stderr
    there = tables(folder / "there")
    for name, expected in tables(folder / "here").items():
        pd.testing.assert_frame_equal(expected, there[name])
    return there


def job(command: str, output: Path, run_id: str = "one") -> Finished:
    """Run `facebeam status`, `cancel` or `finalize` to its end."""
    return with_token(command, "--run", run_id, "--output", output, token=None)


@contextmanager
def annotating(manifest: Path, output: Path, *flags: object) -> Iterator[Popen[str]]:
    """Start `facebeam annotate`; kill it at the end."""
    command = [FACEBEAM, "annotate", "--manifest", manifest, "--output", output, *flags]
    with running(command, stderr=PIPE, env=environment(token=None)) as process:
        yield process


def wait_until_submitted(process: Popen[str]) -> None:
    """Wait until the run has submitted its job."""
    assert process.stderr is not None
    said = next((line for line in process.stderr if "is submitted: flink job" in line), "")
    assert said, "the run ended before it was submitted"


def wait_for_calls(service: str, calls: int, process: Popen[str] | None = None) -> None:
    """Wait until the stand-in service has had this many calls."""
    until = monotonic() + _WITHIN_S
    while counts(service)["calls"] < calls:
        assert monotonic() < until, f"{calls} calls do not come"
        assert process is None or process.poll() is None, process.communicate()
        sleep(0.1)


def counts(service: str) -> dict[str, int]:
    """Read the stand-in service's counts of calls."""
    answer: dict[str, int] = requests.get(f"{service}/counts", timeout=20).json()
    return answer
