"""Runs of this machine into a bucket, where no file system knows locks."""

import os
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


def test_two_processes_of_one_run_pay_once(tmp_path: Path) -> None:
    """A second process with the same run id is refused while the first one lives; each image is one call."""
    manifest, ids = (
        write_urls(tmp_path / "urls.txt", images(60)),
        ("--run-id", "night", "--timeout", f"{2 * DEADLINE_S}s"),
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
