"""The model's version changes with everything that changes an answer."""

from pathlib import Path

import pytest

from facebeam.schemas.values import ImageRequest
from facebeam.transforms.local_model.answer_image import answer_image
from facebeam.transforms.local_model.face_model import FaceModel
from facebeam.transforms.local_model.mapping import MAPPING_BYTES
from facebeam.transforms.local_model.thresholds import THRESHOLDS, Thresholds
from facebeam.transforms.local_model.version import FACE_MODEL_VERSION, version_of
from facebeam.transforms.local_model.weights import SHA256


def test_the_version_is_this_one() -> None:
    """Answers of this version lie in users' journals: who changes an answer must see it change."""
    assert FACE_MODEL_VERSION == "centerface+facemesh-v2+c907c356"


STORED = {
    "astronaut.png": (0.979, 2.8, {0: (180.22, 100.09), 10: (221.36, 178.64), 50: (246.56, 89.5)}),
    "obama.jpg": (0.97, 2.9, {0: (376.96, 216.7), 10: (494.63, 425.84), 50: (542.58, 180.72)}),
}
"""Score, predicted error and three of the 90 points, as this version of the model gives them."""


@pytest.mark.parametrize("name", STORED)
def test_the_version_gives_these_answers(photos: Path, name: str) -> None:
    """A photograph's points are those that journals have of this version; if not, `_STEPS` must grow."""
    data = (photos / name).read_bytes()
    (found,) = answer_image(FaceModel(), data, ImageRequest("", 0, 0)).faces
    score, error, points = STORED[name]
    assert (found.score, found.predicted_error) == pytest.approx((score, error), abs=0.01)
    for landmark, place in points.items():
        assert found.points[landmark].tolist() == pytest.approx(place, abs=0.05)


@pytest.mark.parametrize("name", SHA256)
def test_other_weights_are_another_version(name: str) -> None:
    """The version changes with either network's weights."""
    assert version_of(SHA256 | {name: "0" * 64}, MAPPING_BYTES, THRESHOLDS, 2) != FACE_MODEL_VERSION


@pytest.mark.parametrize("name", Thresholds._fields)
def test_another_threshold_is_another_version(name: str) -> None:
    """The version changes with each threshold."""
    changed = ["other" if field == name else value for field, value in THRESHOLDS._asdict().items()]
    assert version_of(SHA256, MAPPING_BYTES, changed, 2) != FACE_MODEL_VERSION


def test_another_mapping_or_step_is_another_version() -> None:
    """The version changes with the mapping to landmarks, and with the number of the steps."""
    assert version_of(SHA256, MAPPING_BYTES + b" ", THRESHOLDS, 2) != FACE_MODEL_VERSION
    assert version_of(SHA256, MAPPING_BYTES, THRESHOLDS, 3) != FACE_MODEL_VERSION
    assert version_of(SHA256, MAPPING_BYTES, THRESHOLDS, 2) == FACE_MODEL_VERSION
