"""Runs of this machine whose manifest, tables and journal are in S3."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import fromstring

import pytest
import requests

from tests.helpers.console import Finished, write_urls
from tests.helpers.object_store import BUCKET, s3_emulator
from tests.helpers.paid_service import FaultyServer
from tests.helpers.worker_pool import worker_environment

pytestmark = pytest.mark.slow

ACCOUNT = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_DEFAULT_REGION": "us-east-1"}
EXTRAS = os.pathsep.join(path for path in sys.path if path.endswith("site-packages"))
"""The workers' environment has no extra `report`; that of the tests has."""
URLS = ["https://example.com/1.jpg", "https://example.com/2.jpg", "https://example.com/fail-timeout/3.jpg"]
OUTPUT = f"s3://{BUCKET}/out"
SIGNED = {"Authorization": "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/s3/aws4_request, Signature=0"}
"""The stand-in wants to know who asks, but checks no signature."""
_WITHIN_S = 300


@dataclass(frozen=True)
class S3:
    """A stand-in for S3, and the console script that uses it."""

    url: str

    def put(self, name: str, content: str) -> str:
        """Write an object; give its s3:// path."""
        requests.put(f"{self.url}/{BUCKET}/{name}", content, headers=SIGNED, timeout=60).raise_for_status()
        return f"s3://{BUCKET}/{name}"

    def names(self, prefix: str) -> list[str]:
        """List the names of all objects that begin with a prefix."""
        query = {"list-type": "2", "prefix": prefix}
        answer = requests.get(f"{self.url}/{BUCKET}", query, headers=SIGNED, timeout=60)
        return [node.text or "" for node in fromstring(answer.text).iter() if node.tag.endswith("}Key")]  # noqa: S314 - our own server

    def facebeam(self, *arguments: object, **variables: str) -> Finished:
        """Run the console script of the workers' environment, which has Amazon's client, to its end."""
        return subprocess.run(
            [worker_environment() / "bin/facebeam", *map(str, arguments)],
            env={**os.environ, **ACCOUNT, **variables},
            cwd="/",
            capture_output=True,
            text=True,
            timeout=_WITHIN_S,
            check=False,
        )

    def rehearse(self, manifest: str, run_id: str, *flags: str) -> Finished:
        """Run `facebeam annotate` with the fake source; the endpoint is given by Beam's flag."""
        arguments = ("--source", "fake", "--manifest", manifest, "--output", OUTPUT, "--run-id", run_id)
        limits = ("--max-failure-share", "1", f"--s3_endpoint_url={self.url}")
        return self.facebeam("annotate", *arguments, *limits, *flags)


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    """Start S3."""
    with s3_emulator(tmp_path_factory.mktemp("s3") / "log") as url:
        yield S3(url)


def test_a_run_in_s3_is_committed_once_and_replayed(s3: S3) -> None:
    """A manifest in S3 is annotated into S3; the same id again does nothing; its dead letters run again."""
    manifest = s3.put("in/photos.txt", "\n".join(URLS))
    first, again = (s3.rehearse(f"s3://{BUCKET}/in/*.txt", "one") for _ in range(2))
    assert (first.returncode, again.returncode) == (0, 0), first.stderr + again.stderr
    assert "nothing to do" in again.stderr
    assert s3.names("out/_runs/one/") == [
        f"out/_runs/one/{name}" for name in ("_SUCCESS", "first_try.json", "run.json")
    ]
    assert s3.names("out/_staging/") == []
    assert len(s3.names("out/faces/run=one/")) == len(s3.names("out/dead_letters/run=one/")) == 1
    flags = ("--run", "all", "--codes", "timeout", "--run-id", "two", "--max-failure-share", "1")
    replayed = s3.facebeam("replay", "--output", OUTPUT, *flags, AWS_ENDPOINT_URL=s3.url)
    assert replayed.returncode == 0, replayed.stderr
    assert len(s3.names("out/dead_letters/run=two/error_code=timeout/")) == 1
    assert s3.rehearse(manifest, "three", "--limit", "2").returncode == 0


@pytest.mark.parametrize(
    ("manifest", "output", "said"),
    [
        (f"s3://{BUCKET}/none.csv", OUTPUT, f"s3://{BUCKET}/none.csv: no such file: check --manifest"),
        ("s3://no-such-bucket/a.csv", OUTPUT, "no such file: check --manifest"),
        (f"s3://{BUCKET}/in/few.txt", "s3://no-such-bucket/out", "cannot write s3://no-such-bucket/out/"),
    ],
)
def test_what_is_not_in_s3_is_said_in_one_line(s3: S3, manifest: str, output: str, said: str) -> None:
    """A missing object or bucket is exit code 2, without a traceback of Amazon's client."""
    s3.put("in/few.txt", URLS[0])
    flags = ("--source", "fake", f"--s3_endpoint_url={s3.url}")
    finished = s3.facebeam("annotate", "--manifest", manifest, "--output", output, *flags)
    assert (finished.returncode, len(finished.stderr.splitlines())) == (2, 1), finished.stderr
    assert said in finished.stderr


def test_the_token_alone_is_read_from_s3(s3: S3, tmp_path: Path) -> None:
    """A token file may be in S3 while manifest and output are on this machine."""
    manifest = write_urls(tmp_path / "urls.txt", URLS[:1])
    place = ("--manifest", manifest, "--output", tmp_path / "out", "--token-file", s3.put("token", "made-up"))
    with FaultyServer() as server:
        service = ("--source", "api", "--base-url", server.base_url, f"--s3_endpoint_url={s3.url}")
        finished = s3.facebeam("annotate", *service, *place)
    assert (finished.returncode, server.calls) == (0, 1), finished.stderr


def test_what_is_in_s3_is_listed_shown_compared_and_exported(s3: S3) -> None:
    """`runs`, `report`, `compare` and `export` work on a bucket, in a folder whose name has a space."""
    output, new = f"s3://{BUCKET}/Ann's photos", f"s3://{BUCKET}/new export"
    manifest = s3.put("results/photos.txt", "\n".join(URLS))
    place = {"AWS_ENDPOINT_URL": s3.url, "PYTHONPATH": EXTRAS}

    def run(command: str, *arguments: str) -> Finished:
        finished = s3.facebeam(command, "--output", output, *arguments, **place)
        assert finished.returncode == 0, finished.stderr
        return finished

    flags = ("--source", "fake", "--manifest", manifest, "--max-failure-share", "1", "--run-id")
    said = [run("annotate", *flags, run_id).stdout for run_id in ("one", "two")][-1]
    opening = said.splitlines()[-1].removeprefix("open them").strip()
    command = [str(worker_environment() / "bin/python"), "-c", f"{opening}; print(len(faces))"]
    env = {**os.environ, **ACCOUNT, "AWS_ENDPOINT_URL": s3.url}
    opened = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    listed = run("runs").stdout.splitlines()
    assert [line.split()[0] for line in listed] == ["run", "one", "two"]
    assert opened.stdout == "6\n"
    assert "images in both" in run("compare", "--run", "one", "--with", "latest").stdout
    run("report", "--images", "0")
    assert s3.names("Ann's photos/_runs/two/report.html") != []
    run("export", "--format", "coco", "--newest", "--to", new)
    assert s3.names("new export/") == ["new export/annotations/person_keypoints_default.json"]
    again = s3.facebeam("export", "--output", output, "--format", "coco", "--newest", "--to", new, **place)
    assert (again.returncode, "exists already" in again.stderr) == (2, True)
