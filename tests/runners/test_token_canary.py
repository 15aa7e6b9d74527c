"""The token is in nothing that a run writes or passes on: logs, tables, journal, record, pipeline."""

import base64
import bz2
import os
import re
import subprocess
import sys
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

from tests.helpers.api_console import TOKEN, UNPACED, annotate_by_api, environment, images, with_token
from tests.helpers.console import ROOT, Finished, visible, write_urls
from tests.helpers.paid_service import FaultyServer, image_url_of
from tests.helpers.paid_service_faults import ANSWERS, FAULTS
from tests.helpers.scripted_server import Exchange
from tests.transforms.api.test_client import REJECTED
from tests.transforms.api.test_client_token_canary import ECHOES

PIECES = (TOKEN[:12], TOKEN[-12:])
"""Both ends of the token, so that the tests also find a token that was cut."""
STOPPING = "message"
"""The echo that refuses the token and therefore stops a run."""
MET = [
    *ANSWERS,
    *(name for names in REJECTED.values() for name in names.split()),
    *ECHOES.keys() - {STOPPING},
]


def echoing(exchange: Exchange) -> None:
    """Send the answer, the fault or the echo of the token that the image's URL names."""
    name = image_url_of(exchange).split("/fault-")[1].split("/")[0]
    (ANSWERS | FAULTS | ECHOES)[name](exchange)


@dataclass(frozen=True)
class Told:
    """What runs of every kind printed, where they wrote, and which Authorization headers they sent."""

    output: Path
    finished: dict[str, Finished]
    authorizations: set[str | None]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    """Run into every answer and final fault, and into a refused token; plan; start two wrong runs."""
    folder = tmp_path_factory.mktemp("canary")
    every = write_urls(folder / "every.txt", map(_url_of, MET))
    refused = write_urls(folder / "refused.txt", [_url_of(STOPPING), _url_of("one_face")])
    told = Told(folder / "out", {}, set())
    with FaultyServer(echoing) as server:
        json_lines = ("--log-format", "json", *UNPACED)
        target = ("--base-url", server.base_url, "--output", told.output)
        told.finished["faults"] = annotate_by_api(server.base_url, every, told.output, *json_lines)
        told.finished["refusal"] = annotate_by_api(
            server.base_url, refused, told.output, "--max-failure-share", 0
        )
        told.finished["plan"] = with_token("plan", *target, "--manifest", every)
        told.finished["setup"] = with_token(
            *("annotate", "--source", "api", *target, "--manifest", every), token=f"{TOKEN} {TOKEN}"
        )
        told.finished["flag"] = annotate_by_api(server.base_url, every, told.output, "--tokn", "x")
        told.authorizations.update(exchange.headers["authorization"] for exchange in server.seen)
    return told


def test_the_runs_went_as_meant(told: Told) -> None:
    """The runs have their exit codes, the service got the token, and the dead letters hide its echoes."""
    codes = {name: finished.returncode for name, finished in told.finished.items()}
    assert codes == {"faults": 0, "refusal": 3, "plan": 0, "setup": 2, "flag": 2}
    assert told.authorizations == {f"Bearer {TOKEN}"}
    letters = pd.read_parquet(told.output / "dead_letters")
    assert letters["message"].str.contains("[token]", regex=False).sum() >= 3
    assert "invalid_token" in set(letters["error_code"])


def test_the_token_is_not_said(told: Told) -> None:
    """No run prints an end of the token on stdout or stderr, as text or as JSON."""
    for finished in told.finished.values():
        for piece in PIECES:
            assert piece not in finished.stdout + finished.stderr


def test_the_token_is_in_no_file(told: Told) -> None:
    """No file contains the token in its bytes, and no table or journal file in its decoded values."""
    files = [path for path in told.output.rglob("*") if path.is_file()]
    decoded = [pd.read_parquet(path) for path in files if path.suffix == ".parquet"]
    assert len(visible(told.output)) < len(files)  # the journal is among them
    assert sum(len(frame) for frame in decoded) > 2 * len(MET)
    texts = [frame.drop(columns="faces", errors="ignore").to_csv() for frame in decoded]
    assert any("[token]" in text for text in texts)
    for piece in PIECES:
        assert not [text for text in texts if piece in text]
    for piece in (TOKEN[:12], TOKEN[16:]):  # faces' columns have its end too, as bytes that count up
        assert not [path for path in files if piece.encode() in path.read_bytes()]


BUILD = """
import sys
import apache_beam as beam
from facebeam.pipelines.annotate_manifest import build
from facebeam.runners.describe_run import describe_run
from facebeam.runners.flags.options import parse_run, run_parser
from facebeam.runners.prepare_run import check_source, find_manifest
from facebeam.schemas.layout import Layout

options = parse_run(run_parser(), sys.argv[2:])
manifest, layout = find_manifest(options), Layout(options.output, "one")
check_source(options)
pipeline = beam.Pipeline()
build(pipeline, describe_run(options, layout, manifest))
with open(sys.argv[1], "wb") as file:
    file.write(pipeline.to_runner_api().SerializeToString())
"""
"""Builds the pipeline of a run as `carry_out` does after the token check; writes what an engine receives."""
_ENCODED = re.compile(rb"[A-Za-z0-9+/\n]{40,}={0,2}")


def unpacked(proto: bytes) -> Iterator[bytes]:
    """Yield a pipeline's bytes, and what Beam's pickler compressed in them, at every offset of the base64."""
    yield proto
    for found in _ENCODED.finditer(proto):
        for start in range(4):  # a byte of the protocol buffer before it may look like base64
            text = found[0][start:]
            with suppress(ValueError):
                packed = base64.b64decode(text[: len(text) // 4 * 4])
                for unpack in (zlib.decompress, bz2.decompress):
                    with suppress(zlib.error, OSError, ValueError):
                        yield from unpacked(unpack(packed))


@pytest.mark.parametrize("by_file", [False, True], ids=["environment", "file"])
def test_the_token_is_in_no_pickle_of_the_pipeline(tmp_path: Path, *, by_file: bool) -> None:
    """An engine receives the token's place, which proves that the search works, but not the token."""
    manifest = write_urls(tmp_path / "photos.txt", images(3))
    (tmp_path / "token").write_text(TOKEN)
    flags = ["--source", "api", "--manifest", str(manifest), "--output", str(tmp_path / "out")]
    flags += ["--token-file", str(tmp_path / "token")] if by_file else []
    command = [sys.executable, "-c", BUILD, str(tmp_path / "proto"), *flags]
    env = {**environment(None if by_file else TOKEN), "PYTHONPATH": os.fspath(ROOT)}
    subprocess.run(command, env=env, cwd=ROOT, check=True, timeout=180)
    found = list(unpacked((tmp_path / "proto").read_bytes()))
    place = str(tmp_path / "token") if by_file else "ACEDATACLOUD_API_TOKEN"
    assert any(place.encode() in text and b"_AnnotateShard" in text for text in found)
    for piece in PIECES:
        assert not [text for text in found if piece.encode() in text]


def _url_of(name: str) -> str:
    return f"https://images.example.com/fault-{name}/a.jpg"
