"""The fake source derives its answer from the URL alone."""

import pickle
from collections import Counter

import pytest

from facebeam.schemas.errors import ErrorCode
from facebeam.schemas.values import FailureError, ImageRequest, Outcome
from facebeam.transforms.sources.face_source import FaceSource
from facebeam.transforms.sources.fake_source import FakeSource, fake_faces
from tests.helpers.values import row

REQUESTS = [ImageRequest(row(number).image_url) for number in range(100)]


def test_the_same_url_has_the_same_answer() -> None:
    """Equal URLs get equal answers, and more than half of a hundred URLs have faces of their own."""
    assert [fake_faces(request) for request in REQUESTS] == [fake_faces(request) for request in REQUESTS]
    assert len({fake_faces(request).faces for request in REQUESTS}) > 50


def test_there_are_none_to_three_faces() -> None:
    """Among a hundred URLs there are answers with 0, 1, 2 and 3 faces, and the faces of an answer differ."""
    answers = [fake_faces(request) for request in REQUESTS]
    assert Counter(len(answer.faces) for answer in answers).keys() == {0, 1, 2, 3}
    assert all(len(set(answer.faces)) == len(answer.faces) for answer in answers)


def test_mode_one_is_one_face_at_most() -> None:
    """Mode 1 gives the first of the faces of mode 0, and none if mode 0 has none."""
    for request in REQUESTS:
        assert fake_faces(request._replace(mode=1)).faces == fake_faces(request).faces[:1]
    assert {fake_faces(request._replace(mode=1)).outcome for request in REQUESTS} == set(Outcome)


@pytest.mark.parametrize("code", ErrorCode)
def test_a_url_can_ask_for_any_failure(code: ErrorCode) -> None:
    """A URL with `/fail-<code>/` fails with that code, and the message names it."""
    with pytest.raises(FailureError) as caught:
        fake_faces(ImageRequest(f"https://example.com/fail-{code}/a.jpg"))
    assert (caught.value.failure.code, caught.value.failure.stage) == (code, "annotate")
    assert str(code) in caught.value.failure.message


@pytest.mark.parametrize("path", ["/fail-nonsense/a.jpg", "/fail-/a.jpg", "/fail-timeout.jpg"])
def test_a_url_that_names_no_code_is_answered(path: str) -> None:
    """A URL that does not name an error code gets an answer, so an odd URL never ends a run."""
    assert fake_faces(ImageRequest(f"https://example.com{path}")).face_model_version == "fake-1"


def test_the_source_travels_and_opens() -> None:
    """The fake source has the interface of every face source, also after a pickle."""
    source: FaceSource = pickle.loads(pickle.dumps(FakeSource()))  # noqa: S301 - our own
    assert (source.name, source.identity) == ("fake", "fake 1")
    with source.open() as opened:
        assert opened.attempt(REQUESTS[0]) == fake_faces(REQUESTS[0])
