"""Files in a Google bucket behave like local files, with the client that workers have."""

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from tests.helpers.dataflow_service import DataflowService
from tests.helpers.google_account import service_account
from tests.helpers.google_cloud import Cloud
from tests.helpers.object_store import BUCKET, gcs_emulator
from tests.helpers.scripted_server import Exchange, ScriptedServer
from tests.helpers.worker_pool import worker_environment

pytestmark = pytest.mark.slow

WRITE_AND_READ = """
import json, sys
from facebeam.transforms.files import output_files as files
from facebeam.transforms.journal.segments import SegmentVanishedError, open_segment
from facebeam.schemas.errors import RunError
from facebeam.transforms.manifest.find_manifests import find_manifests

def told(work, *arguments):
    try:
        return work(*arguments)
    except (RunError, SegmentVanishedError) as error:
        return f"{type(error).__name__}: {error}"

folder, beside = f"{sys.argv[1]}/out[1]", f"{sys.argv[1]}/out1/a"
for path in (beside, f"{folder}/deep/one", f"{folder}/two"):
    with files.writing(path) as file:
        file.write(b"x" * (path != beside))  # an empty one too, as _SUCCESS is
files.write_json(f"{folder}/a.json", {"n": [1]})
files.move(f"{folder}/two", f"{folder}/deep/three")
listed = sorted(files.files_below(folder))
found = find_manifests([f"{sys.argv[1]}/out1/*"])
globbed = {path: state.size_bytes for path, state in found.items()}
read, gone = files.read_json(f"{folder}/a.json"), told(files.read_json, f"{folder}/gone")
files.remove_file(f"{folder}/deep/one")
left = sorted(files.files_below(folder))
files.remove(folder)
json.dump(
    {
        "listed": listed,
        "globbed": globbed,
        "read": read,
        "gone": gone,
        "left": left,
        "removed": sorted(files.files_below(folder)),
        "beside": files.exists(beside),
        "moved from nowhere": told(files.move, f"{folder}/gone", f"{folder}/new"),
        "vanished": told(open_segment, f"{folder}/gone.parquet"),
        "nobody's": told(files.check_writable, "gs://nobody-has-it/a"),
    },
    sys.stdout,
)
"""


RECORD = """
import sys
from datetime import UTC, datetime
from facebeam.schemas.values import Answer, ImageRequest
from facebeam.transforms.journal.journal import Journal

with Journal(sys.argv[1]).open(flush_every_s=60) as writer:
    for bucket in range(8):
        answer = Answer((), 1, 1, "fake", "1", answered_at=datetime.now(UTC))
        writer.record(bytes([bucket]) * 32, ImageRequest("https://example.com/a.jpg", 0, 0), answer)
"""


def in_workers_environment(script: str, argument: str, env: Mapping[str, str]) -> bytes:
    """Run a script in the workers' environment, without this checkout; give what it printed."""
    command = [str(worker_environment() / "bin/python"), "-P", "-c", script, argument]
    env = {**os.environ, "NO_GCE_CHECK": "true", **env}
    return subprocess.run(command, env=env, cwd="/", stdout=subprocess.PIPE, check=True, timeout=180).stdout


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """Run all file operations once in the workers' environment; give their results."""
    folder = tmp_path_factory.mktemp("gcs")
    with gcs_emulator(folder / "store.log") as store, DataflowService() as service:
        account = service_account(folder / "account.json", f"{service.endpoint}/token")
        cloud = Cloud(store, service, account, "")
        yield json.loads(in_workers_environment(WRITE_AND_READ, f"gs://{BUCKET}/a", cloud.env))


def test_a_folder_is_what_it_is_elsewhere(said: dict[str, Any]) -> None:
    """A bucket's folder `out[1]` supports all file operations, and none of them changes the folder `out1`."""
    folder = f"gs://{BUCKET}/a/out[1]"
    assert said["listed"] == [f"{folder}/a.json", f"{folder}/deep/one", f"{folder}/deep/three"]
    assert said["left"] == [f"{folder}/a.json", f"{folder}/deep/three"]
    assert (said["read"], said["removed"], said["beside"]) == ({"n": [1]}, [], True)
    assert said["globbed"] == {f"gs://{BUCKET}/a/out1/a": 0}


@pytest.mark.parametrize(
    ("case", "begins"),
    [
        ("gone", f"RunError: cannot read gs://{BUCKET}/a/out[1]/gone: 404 "),
        ("moved from nowhere", f"RunError: cannot publish gs://{BUCKET}/a/out[1]/new: "),
        ("vanished", f"SegmentVanishedError: gs://{BUCKET}/a/out[1]/gone.parquet"),
        ("nobody's", "RunError: cannot write gs://nobody-has-it/a/_"),
    ],
)
def test_what_googles_client_raises_becomes_ours(said: dict[str, Any], case: str, begins: str) -> None:
    """An error of Google's client becomes our own, which says in one line what failed, where and why."""
    assert said[case].startswith(begins), said[case]
    assert "\n" not in said[case]


def test_a_flush_writes_its_segments_side_by_side(tmp_path: Path) -> None:
    """A flush uploads eight segments at the same time, each directly under its final name."""
    together = Barrier(8, timeout=20)

    def begin(exchange: Exchange) -> None:
        together.wait()
        exchange.answer(headers={"Location": store.url("/rest")})

    def token(exchange: Exchange) -> None:
        exchange.answer(b'{"access_token": "a", "expires_in": 3600}', headers={"Content-Type": "text/json"})

    uploads = f"/upload/storage/v1/b/{BUCKET}/o"
    with ScriptedServer({uploads: begin, "/rest": lambda it: it.answer(b"{}"), "/token": token}) as store:
        account = service_account(tmp_path / "account.json", store.url("/token"))
        env = {"STORAGE_EMULATOR_HOST": store.url(""), "GOOGLE_APPLICATION_CREDENTIALS": str(account)}
        in_workers_environment(RECORD, f"gs://{BUCKET}/journal", env)
    sent = [exchange for exchange in store.seen if exchange.target.startswith(uploads)]
    assert sorted(json.loads(exchange.body)["name"][:18] for exchange in sent) == [
        f"journal/bucket={bucket:03d}" for bucket in range(8)
    ]
    assert not [exchange.target for exchange in store.seen if "batch" in exchange.target]
