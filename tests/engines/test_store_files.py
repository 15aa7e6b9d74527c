"""Files in buckets of Google and Amazon behave like local files, with the clients that workers have."""

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Barrier
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

import pytest

from tests.helpers.dataflow_service import DataflowService
from tests.helpers.google_account import service_account
from tests.helpers.google_cloud import Cloud
from tests.helpers.journal_entries import key_of, segments, write
from tests.helpers.object_store import BUCKET, gcs_emulator, s3_emulator
from tests.helpers.scripted_server import Exchange, ScriptedServer
from tests.helpers.worker_pool import worker_environment

pytestmark = pytest.mark.slow

WRITE_AND_READ = """
import json, sys
from facebeam.runners.prepare_run import use_remote_files
from facebeam.transforms.files import any_store as files
from facebeam.transforms.journal.segments import SegmentVanishedError, open_segment
from facebeam.schemas.errors import RunError
from facebeam.transforms.manifest.find_manifests import find_manifests

def told(work, *arguments):
    try:
        return work(*arguments)
    except (RunError, SegmentVanishedError) as error:
        return f"{type(error).__name__}: {error}"

use_remote_files(sys.argv[1:])
folder, beside = f"{sys.argv[1]}/out[1]", f"{sys.argv[1]}/out1/a"
for path in (beside, f"{folder}/deep/one", f"{folder}/two"):
    with files.writing(path) as file:
        file.write(b"x")
files.write_json(f"{folder}/a.json", {"n": [1]})
files.move({f"{folder}/two": f"{folder}/deep/three"})
listed = sorted(files.files_below(folder))
found = find_manifests([f"{sys.argv[1]}/out1/*"])
globbed = {path: state.size_bytes for path, state in found.items()}
read, gone = files.read_json(f"{folder}/a.json"), told(files.read_json, f"{folder}/gone")
part, no_part = files.read_range(f"{folder}/a.json", 4, 7), told(files.read_range, f"{folder}/gone", 0, 1)
files.remove_files([f"{folder}/deep/one"])
left = sorted(files.files_below(folder))
files.remove(folder)
json.dump(
    {
        "listed": listed,
        "globbed": globbed,
        "read": read,
        "gone": gone,
        "part": part.decode(),
        "no part": no_part,
        "left": left,
        "removed": sorted(files.files_below(folder)),
        "beside": files.exists(beside),
        "moved from nowhere": told(files.move, {f"{folder}/gone": f"{folder}/new"}),
        "vanished": told(open_segment, f"{folder}/gone.parquet"),
        "nobody's": told(files.check_writable, f"{sys.argv[1].partition('://')[0]}://nobody-has-it/a"),
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
        answer = Answer(
            faces=(),
            image_width=1,
            image_height=1,
            face_model_version="1",
            source="fake",
            answered_at=datetime.now(UTC),
        )
        writer.record(bytes([bucket]) * 32, ImageRequest("https://example.com/a.jpg", 0, 0), answer)
"""


def in_workers_environment(script: str, argument: str, env: Mapping[str, str], stdin: str = "") -> bytes:
    """Run a script in the workers' environment, without this checkout; give what it printed."""
    command = [str(worker_environment() / "bin/python"), "-P", "-c", script, argument]
    env = {**os.environ, "NO_GCE_CHECK": "true", **env}
    finished = subprocess.run(
        command, input=stdin.encode(), env=env, cwd="/", stdout=subprocess.PIPE, check=True, timeout=180
    )
    return finished.stdout


class Said(NamedTuple):
    """What the file operations gave below a root."""

    root: str
    found: dict[str, Any]


@contextmanager
def googles_store(folder: Path) -> Iterator[Mapping[str, str]]:
    """Run a stand-in for Google's store; give the variables by which a client finds it."""
    with gcs_emulator(folder / "store.log") as store, DataflowService() as service:
        account = service_account(folder / "account.json", f"{service.endpoint}/token")
        yield Cloud(store, service, account, "").env


@contextmanager
def amazons_store(folder: Path) -> Iterator[Mapping[str, str]]:
    """Run a stand-in for Amazon's store; give the variables by which a client finds it."""
    with s3_emulator(folder / "store.log") as url:
        account = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_DEFAULT_REGION": "us-east-1"}
        yield {**account, "AWS_ENDPOINT_URL": url}


@pytest.fixture(scope="module", params=["gs", "s3"])
def said(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Said]:
    """Run all file operations once in the workers' environment; give their results."""
    store = {"gs": googles_store, "s3": amazons_store}[request.param]
    root = f"{request.param}://{BUCKET}/a"
    with store(tmp_path_factory.mktemp(request.param)) as env:
        yield Said(root, json.loads(in_workers_environment(WRITE_AND_READ, root, env)))


def test_a_folder_is_what_it_is_elsewhere(said: Said) -> None:
    """A bucket's folder `out[1]` supports all file operations, and none of them changes the folder `out1`."""
    folder, found = f"{said.root}/out[1]", said.found
    assert found["listed"] == [f"{folder}/a.json", f"{folder}/deep/one", f"{folder}/deep/three"]
    assert found["left"] == [f"{folder}/a.json", f"{folder}/deep/three"]
    assert (found["read"], found["removed"], found["beside"]) == ({"n": [1]}, [], True)
    assert found["part"] == '"n"'
    assert found["globbed"] == {f"{said.root}/out1/a": 1}


@pytest.mark.parametrize(
    ("case", "begins"),
    [
        ("gone", "RunError: cannot read {root}/out[1]/gone: "),
        ("no part", "RunError: cannot read {root}/out[1]/gone: "),
        ("moved from nowhere", "RunError: cannot publish {root}/out[1]/new: "),
        ("vanished", "SegmentVanishedError: {root}/out[1]/gone.parquet"),
        ("nobody's", "RunError: cannot write {scheme}://nobody-has-it/a/_"),
    ],
)
def test_what_a_vendors_client_raises_becomes_ours(said: Said, case: str, begins: str) -> None:
    """An error of a vendor's client becomes our own, which says in one line what failed, where and why."""
    found, scheme = said.found[case], said.root.partition("://")[0]
    assert found.startswith(begins.format(root=said.root, scheme=scheme)), found
    assert "\n" not in found


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


LOOK_UP = """
import sys
from facebeam.transforms.journal.journal import Journal

keys = [bytes.fromhex(line) for line in sys.stdin]
print(len(dict(Journal(sys.argv[1], tidy=False).stored(keys))))
"""


def test_a_look_up_reads_little_of_a_bucket_side_by_side(tmp_path: Path) -> None:
    """One key in a hundred takes at most 8 % of a bucket's journal; its segments are read in parallel."""
    keys = [key_of(number, bucket=0) for number in range(9_000)]
    for start in range(0, len(keys), 3_000):
        write(tmp_path, keys[start : start + 3_000])
    names = {f"journal/bucket=000/{path.name}": path.read_bytes() for path in segments(tmp_path)}
    together, sent = Barrier(len(names), timeout=20), []

    def listing(exchange: Exchange) -> None:
        when = "2026-11-23T12:00:00Z"
        items = [
            {"name": name, "bucket": BUCKET, "size": len(data), "updated": when}
            for name, data in names.items()
        ]
        exchange.answer(json.dumps({"items": items}).encode(), headers={"Content-Type": "application/json"})

    def part(exchange: Exchange) -> None:
        name = unquote(exchange.target.partition("/o/")[2].partition("?")[0])
        start, stop = map(int, exchange.headers["Range"].removeprefix("bytes=").split("-"))
        if stop + 1 == len(names[name]):  # the first read of a segment is that of its end
            together.wait()
        sent.append(names[name][start : stop + 1])
        where = {"Content-Range": f"bytes {start}-{stop}/{len(names[name])}"}
        exchange.answer(sent[-1], "206 Partial Content", where)

    def token(exchange: Exchange) -> None:
        exchange.answer(b'{"access_token": "a", "expires_in": 3600}', headers={"Content-Type": "text/json"})

    parts = {f"/download/storage/v1/b/{BUCKET}/o/{quote(name, safe='')}": part for name in names}
    with ScriptedServer({f"/storage/v1/b/{BUCKET}/o": listing, "/token": token, **parts}) as store:
        account = service_account(tmp_path / "account.json", store.url("/token"))
        env = {"STORAGE_EMULATOR_HOST": store.url(""), "GOOGLE_APPLICATION_CREDENTIALS": str(account)}
        asked = "\n".join(key.hex() for key in keys[::100])
        found = in_workers_environment(LOOK_UP, f"gs://{BUCKET}/journal", env, asked)
    assert int(found) == 90
    assert sum(map(len, sent)) <= 0.08 * sum(map(len, names.values()))


COMMIT = """
import http.client, json, sys
import pyarrow as pa
from facebeam.schemas.layout import Layout
from facebeam.schemas.run_record import CallCounts, RunFacts
from facebeam.schemas.values import Annotation, Answer, ManifestRow
from facebeam.transforms.files.any_store import files_below, writing
from facebeam.transforms.steps.commit_run import commit_run
from facebeam.transforms.steps.flatten import flatten_images
from facebeam.transforms.steps.write_table import new_staged_file
import pyarrow.parquet as pq

FILES, NONE, layout, staged = 64, pa.schema([]), Layout(sys.argv[1], "r1"), []
answer = Answer(faces=(), image_width=1, image_height=1, face_model_version="1", source="fake")
batch = flatten_images([Annotation(ManifestRow("https://example.com/a.jpg", "a"), answer)], NONE)
for number in range(FILES):
    file = new_staged_file(layout, "images", "")
    with writing(file.path) as opened:
        pq.write_table(pa.Table.from_batches([batch]), opened)
        staged.append(file.counting(batch)._replace(size_bytes=opened.tell()))
sent = []
put = http.client.HTTPConnection.putrequest
http.client.HTTPConnection.putrequest = lambda self, *of, **more: (sent.append(of), put(self, *of, **more))[1]
commit_run(layout, staged, FILES, CallCounts(), NONE, RunFacts())
requests = len(sent)
json.dump([requests, len(files_below(f"{sys.argv[1]}/images/run=r1"))], sys.stdout)
"""


def test_a_commit_asks_a_bucket_less_than_once_per_file(tmp_path: Path) -> None:
    """A commit of 64 files in Google's store reads none of them, and renames them in lots."""
    with googles_store(tmp_path) as env:
        requests, published = json.loads(in_workers_environment(COMMIT, f"gs://{BUCKET}/out", env))
    assert published == 64
    assert requests <= 32
