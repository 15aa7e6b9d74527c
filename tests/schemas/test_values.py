"""The values of the pipeline: what they refuse, when they are equal, and that they can be pickled."""

import pickle
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from facebeam.schemas.errors import ErrorCode, Fate
from facebeam.schemas.values import (
    Face,
    Failure,
    FailureError,
    FoundFaces,
    ImageRequest,
    Outcome,
    default_image_id,
)
from tests.helpers.values import ANSWER, WHEN, annotation, dead_letter, face

Points = NDArray[np.float32]


@pytest.mark.parametrize(
    "points",
    [
        np.zeros((89, 2), np.float32),
        np.zeros((90, 3), np.float32),
        np.zeros(180, np.float32),
        np.zeros((1, 90, 2), np.float32),
        np.zeros((90, 2), np.float64),
        np.zeros((90, 2), np.int32),
    ],
)
def test_a_face_is_ninety_points(points: Points) -> None:
    """Points of another shape or type are refused, and the message names both."""
    with pytest.raises(ValueError, match=re.escape(f"{points.dtype}{list(points.shape)}")):
        Face(points)


@given(arrays(np.float32, (90, 2), elements=st.sampled_from([0.0, -0.0, 1.0])), st.integers(0, 89))
def test_faces_are_equal_by_their_points(points: Points, moved: int) -> None:
    """Faces with equal points are equal and have one hash; a moved point makes them different."""
    assert Face(points) == Face(points + np.float32(0))
    assert hash(Face(points)) == hash(Face(points + np.float32(0)))
    elsewhere = points.copy()
    elsewhere[moved, 1] += 1
    assert Face(points) != Face(elsewhere)
    assert Face(points) != points.tolist()


def test_a_region_is_its_landmarks() -> None:
    """A region has the points that the contract assigns to it; for the mouth these are 53 to 74."""
    mouth = face().region("mouth")
    assert mouth[:, 0].tolist() == list(range(53, 75))
    assert mouth[:, 1].tolist() == list(range(106, 150, 2))


@pytest.mark.parametrize(("faces", "outcome"), [(0, "no_face"), (1, "ok"), (10, "ok")])
def test_the_outcome_is_whether_there_are_faces(faces: int, outcome: str) -> None:
    """The outcome is `no_face` without faces, and `ok` with any number of them."""
    assert annotation(faces=faces).answer.outcome is Outcome(outcome)


@pytest.mark.parametrize(
    ("code", "fate"),
    [(ErrorCode.TIMEOUT, Fate.RETRY), (ErrorCode.NOT_FOUND, Fate.REJECT), (ErrorCode.OTHER, Fate.REJECT)],
)
def test_a_failure_has_its_code_s_fate(code: ErrorCode, fate: Fate) -> None:
    """A failure has the fate of its code, whatever its other fields are."""
    assert Failure(code, "why", stage="fetch", http_status=500, retry_after_s=1).fate is fate


@pytest.mark.parametrize(
    "value",
    [
        annotation(1, 3, "caption", None, {"x": [1]}, WHEN),
        dead_letter(2, ErrorCode.OTHER, b"\xff"),
        ImageRequest("https://example.com/ü.jpg", 1, 1),
        ANSWER,
        FoundFaces(faces=(), image_width=None, image_height=None, face_model_version="3.0"),
    ],
)
def test_values_travel(value: object) -> None:
    """A value that is pickled and loaded is equal and of the same type."""
    copy = pickle.loads(pickle.dumps(value))  # noqa: S301 - our own
    assert copy == value
    assert type(copy) is type(value)


def test_a_failure_error_travels_with_its_failure() -> None:
    """A pickled FailureError keeps its failure, and its text is the failure's code and message."""
    error = pickle.loads(pickle.dumps(FailureError(dead_letter(7).failure)))  # noqa: S301 - our own
    assert error.failure == dead_letter(7).failure
    assert str(error) == "timeout: why 7"


_ANY_TEXT = st.text(st.characters(exclude_categories=[]))  # lone surrogates too


@given(_ANY_TEXT, _ANY_TEXT)
def test_default_ids_are_as_different_as_urls(one: str, other: str) -> None:
    """A default id has 16 hex digits, the same for the same text and different for different texts."""
    assert re.fullmatch("[0-9a-f]{16}", default_image_id(one))
    assert (default_image_id(one) == default_image_id(other)) == (one == other)
