"""The local model as a face source, with real photographs from files and from a server."""

import pickle
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Event, Thread
from time import monotonic, sleep
from typing import TypeVar

import numpy as np
import pytest

from facebeam.schemas.errors import ErrorCode
from facebeam.schemas.values import FailureError, FoundFaces, ImageRequest, Outcome
from facebeam.transforms.http.addresses import any_address
from facebeam.transforms.images.fetch_image import ImageFetcher
from facebeam.transforms.images.host_turns import HostLimits
from facebeam.transforms.local_model.version import FACE_MODEL_VERSION
from facebeam.transforms.sources.face_source import FaceSource, OpenSource
from facebeam.transforms.sources.local_source import LocalSource
from tests.helpers.scripted_server import Exchange, Script, ScriptedServer
from tests.helpers.waiting import wait_until

SOURCE = LocalSource(ImageFetcher(allow_local_files=True, rule=any_address))
Found = TypeVar("Found")
LONG_S = 180
"""Seconds until a test gives up on a source that hangs; a correct source answers much sooner."""


def under_way(work: Callable[[], Found]) -> Future[Found]:
    """Start work in a daemon thread, so that work that hangs does not keep the tests from ending."""
    future: Future[Found] = Future()
    Thread(target=lambda: future.set_result(work()), daemon=True).start()
    return future


def code_of(opened: OpenSource, url: object) -> tuple[ErrorCode, str]:
    """Send a request that must fail; give error code and stage."""
    with pytest.raises(FailureError) as caught:
        opened.attempt(ImageRequest(str(url)))
    return caught.value.failure.code, caught.value.failure.stage


def test_a_portrait_has_its_face(photos: Path) -> None:
    """A portrait gives one face with points on it, the image's size, and the model's name."""
    with SOURCE.open() as opened:
        answer = opened.attempt(ImageRequest(str(photos / "astronaut.png")))
    (face,) = answer.faces
    assert (answer.outcome, answer.image_width, answer.image_height) == (Outcome.OK, 512, 512)
    assert answer.face_model_version == FACE_MODEL_VERSION
    left, top = face.points.min(axis=0)
    right, bottom = face.points.max(axis=0)
    assert 150 < left < right < 300
    assert 50 < top < bottom < 230


@pytest.mark.parametrize("name", ["chelsea.png", "coffee.png", "rocket.jpg"])
def test_a_thing_is_an_answer_without_faces(photos: Path, name: str) -> None:
    """A photograph without a face gives the outcome `no_face`, together with the image's size."""
    with SOURCE.open() as opened:
        answer = opened.attempt(ImageRequest((photos / name).as_uri()))
    assert answer.outcome is Outcome.NO_FACE
    assert (answer.image_width or 0) > (answer.image_height or 0) > 0


def test_the_parameters_reach_the_model(shared: Path) -> None:
    """A profile turned by 270 degrees needs `need_rotate_detection=1`; mode 1 gives one face of a group."""
    turned = ImageRequest(str(shared / "faces2/derived/cfp_287_p04__rot270.jpg"))
    group = ImageRequest(str(shared / "faces/images/dlib_2007_007763.jpg"))
    with SOURCE.open() as opened:
        assert opened.attempt(turned).outcome is Outcome.NO_FACE
        assert opened.attempt(turned._replace(need_rotate_detection=1)).outcome is Outcome.OK
        assert len(opened.attempt(group._replace(mode=1)).faces) < len(opened.attempt(group).faces)


def test_each_failure_has_its_stage(photos: Path, tmp_path: Path) -> None:
    """A missing file fails at stage `fetch` and a bad image at `decode`; the model can still be used then."""
    (tmp_path / "text.jpg").write_text("not a photograph")
    (tmp_path / "empty.jpg").touch()
    portrait = ImageRequest(str(photos / "obama.jpg"))

    def fail_then_look() -> FoundFaces:
        with SOURCE.open() as opened:
            assert code_of(opened, tmp_path / "gone.jpg") == (ErrorCode.NOT_FOUND, "fetch")
            assert code_of(opened, tmp_path / "text.jpg") == (ErrorCode.IMAGE_UNDECODABLE, "decode")
            assert code_of(opened, tmp_path / "empty.jpg") == (ErrorCode.IMAGE_EMPTY, "decode")
            return opened.attempt(portrait)

    assert len(under_way(fail_then_look).result(LONG_S).faces) == 1


def test_a_slow_download_keeps_no_model(photos: Path) -> None:
    """While one download is slow, the only model answers another image; then it answers the slow one."""
    go_on = Event()
    content = (photos / "obama.jpg").read_bytes()

    def slow(exchange: Exchange) -> None:
        assert go_on.wait(LONG_S)
        exchange.answer(content)

    with ScriptedServer({"/slow.jpg": slow}) as server, SOURCE.open() as opened:
        late = under_way(lambda: opened.attempt(ImageRequest(server.url("/slow.jpg"))))
        request = ImageRequest(str(photos / "obama.jpg"))
        early = under_way(lambda: opened.attempt(request)).result(LONG_S)
        assert not late.done()
        go_on.set()
        assert late.result(LONG_S).faces == early.faces


def test_waiting_for_a_turn_is_not_in_the_latency(photos: Path) -> None:
    """A download that waits until its host has a place free has the latency of the rest of its attempt."""
    content, first_came, go_on = (photos / "obama.jpg").read_bytes(), Event(), Event()

    def held(exchange: Exchange) -> None:
        first_came.set()
        assert go_on.wait(LONG_S)
        exchange.answer(content)

    fetcher = replace(SOURCE.fetcher, host_limits=HostLimits(connections=1))
    scripts: dict[str, Script] = {"/held": held, "/next": lambda exchange: exchange.answer(content)}
    with ScriptedServer(scripts) as server, LocalSource(fetcher).open() as opened:

        def timed() -> tuple[FoundFaces, float]:
            began = monotonic()
            return opened.attempt(ImageRequest(server.url("/next"))), (monotonic() - began) * 1000

        alone = opened.window()
        first = under_way(lambda: opened.attempt(ImageRequest(server.url("/held"))))
        assert first_came.wait(LONG_S)
        second = under_way(timed)
        wait_until(lambda: opened.window() == alone + 1)
        sleep(0.3)
        go_on.set()
        assert first.result(LONG_S).faces
        found, took_ms = second.result(LONG_S)
    assert found.latency_ms is not None
    assert 0 < found.latency_ms <= took_ms - 300


def test_several_models_agree(photos: Path) -> None:
    """Two workers with nine requests in parallel give the same faces as one worker."""
    requests = [ImageRequest(str(photos / name)) for name in ("obama.jpg", "biden.jpg", "coffee.png")]
    with SOURCE.open() as opened:
        alone = [opened.attempt(request) for request in requests]
    with LocalSource(SOURCE.fetcher, workers=2).open() as opened:
        futures = [under_way(partial(opened.attempt, request)) for request in requests * 3]
        together = [future.result(LONG_S) for future in futures]
    for one, other in zip(alone * 3, together, strict=True):
        assert len(one.faces) == len(other.faces)
        assert all(map(np.array_equal, (f.points for f in one.faces), (f.points for f in other.faces)))


def test_the_source_is_a_description(photos: Path) -> None:
    """A LocalSource can be pickled, and its window has room for downloads beside the models."""
    source: FaceSource = pickle.loads(pickle.dumps(LocalSource(SOURCE.fetcher, workers=3)))  # noqa: S301 - our own
    assert source == LocalSource(SOURCE.fetcher, workers=3)
    assert source.name == "local"
    assert source.largest_window > 3
    with source.open() as opened:
        assert opened.attempt(ImageRequest(str(photos / "biden.jpg"))).faces
