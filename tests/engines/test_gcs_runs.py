"""Runs of this machine into a bucket, where no file system knows locks."""

import json
import os
import subprocess
import sys
from pathlib import Path
from subprocess import PIPE, STDOUT
from threading import Event

import pytest

from tests.helpers.api_console import TOKEN, VARIABLE, images
from tests.helpers.console import write_urls
from tests.helpers.dataflow_service import DataflowService
from tests.helpers.google_account import service_account
from tests.helpers.google_cloud import Cloud
from tests.helpers.object_store import BUCKET, gcs_emulator
from tests.helpers.paid_service import FaultyServer
from tests.helpers.paid_service_answers import answers
from tests.helpers.processes import running
from tests.helpers.scripted_server import Exchange
from tests.helpers.waiting import DEADLINE_S, wait_until
from tests.helpers.worker_pool import worker_environment

pytestmark = pytest.mark.slow


def test_a_run_in_a_bucket_is_opened_listed_and_shown(tmp_path: Path) -> None:
    """The summary's last line, `runs` and `report` find a run in a folder whose name has a space."""
    manifest, output = write_urls(tmp_path / "urls.txt", images(3)), f"gs://{BUCKET}/Ann's photos"
    with gcs_emulator(tmp_path / "store.log") as store, DataflowService() as google:
        account = service_account(tmp_path / "account.json", f"{google.endpoint}/token")
        extras = os.pathsep.join(path for path in sys.path if path.endswith("site-packages"))
        arrow = {"CLOUD_STORAGE_EMULATOR_ENDPOINT": store.url, "PYTHONPATH": extras}
        env = {**os.environ, **Cloud(store, google, account, TOKEN).env, **arrow}

        def run(program: str, *arguments: object) -> str:
            command = [str(worker_environment() / "bin" / program), *map(str, arguments)]
            return subprocess.run(command, env=env, stdout=PIPE, text=True, check=True).stdout

        flags = ("--source", "fake", "--manifest", manifest, "--run-id", "one")
        said = run("facebeam", "annotate", *flags, "--output", output)
        opening = said.splitlines()[-1].removeprefix("open them").strip()
        faces = run("python", "-c", f"{opening}; print(len(faces))")
        listed = run("facebeam", "runs", "--output", output).splitlines()
        assert [line.split()[0] for line in listed] == ["run", "one"]
        run("facebeam", "report", "--output", output, "--images", 0)
        assert b"</html>" in store.read(f"{output}/_runs/one/report.html")
        record = json.loads(store.read(f"{output}/_runs/one/run.json"))
        assert int(faces) == record["counts"]["faces"] > 0


def test_two_processes_of_one_run_pay_once(tmp_path: Path) -> None:
    """A second process with the same run id is refused while the first one lives; each image is one call."""
    manifest, ids = (
        write_urls(tmp_path / "urls.txt", images(60)),
        ("--run-id", "night", "--timeout", f"{2 * DEADLINE_S:.0f}s"),
    )
    second_is_over = Event()

    def answers_later(exchange: Exchange) -> None:
        """Answer ten calls at once, and the others when the second process is over."""
        if server.calls > 10:
            second_is_over.wait(DEADLINE_S)
        answers()(exchange)

    with (
        gcs_emulator(tmp_path / "store.log") as store,
        DataflowService() as google,
        FaultyServer(answers_later) as server,
    ):
        account = service_account(tmp_path / "account.json", f"{google.endpoint}/token")
        cloud = Cloud(store, google, account, TOKEN)
        api = ("annotate", "--source", "api", "--base-url", server.base_url, "--manifest", manifest)
        command = (*api, "--output", f"gs://{BUCKET}/out", *ids)
        env = {**os.environ, **cloud.env, VARIABLE: TOKEN}
        script = worker_environment() / "bin/facebeam"
        with running([script, *command], stdout=PIPE, stderr=STDOUT, env=env) as first:
            wait_until(lambda: server.calls >= 10 or first.poll() is not None)
            second = cloud.facebeam(*command)
            second_is_over.set()
            said, _ = first.communicate(timeout=180)
        assert first.returncode == 0, said
        assert second.returncode == 2
        assert f"run night is already running in process {first.pid} on " in second.stderr
        assert (server.calls, server.counts()["repeated"]) == (60, 0)
        again = cloud.facebeam(*command)
        assert (again.returncode, "nothing to do" in again.stderr, server.calls) == (0, True, 60)
        names = ["_SUCCESS", "first_try.json", "run.json"]
        assert store.names("out/_runs/") == [f"out/_runs/night/{name}" for name in names]
        assert store.names("out/_staging/") == []
