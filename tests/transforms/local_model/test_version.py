"""The model's version changes with everything that changes an answer."""

import pytest

from facebeam.transforms.local_model.mapping import MAPPING_BYTES
from facebeam.transforms.local_model.thresholds import THRESHOLDS, Thresholds
from facebeam.transforms.local_model.version import FACE_MODEL_VERSION, version_of
from facebeam.transforms.local_model.weights import SHA256


def test_the_version_is_this_one() -> None:
    """Answers of this version lie in users' journals: who changes an answer must see it change."""
    assert FACE_MODEL_VERSION == "centerface+facemesh-v2+3da4de4b"


@pytest.mark.parametrize("name", SHA256)
def test_other_weights_are_another_version(name: str) -> None:
    """The version changes with either network's weights."""
    assert version_of(SHA256 | {name: "0" * 64}, MAPPING_BYTES, THRESHOLDS, 1) != FACE_MODEL_VERSION


@pytest.mark.parametrize("name", Thresholds._fields)
def test_another_threshold_is_another_version(name: str) -> None:
    """The version changes with each threshold."""
    changed = ["other" if field == name else value for field, value in THRESHOLDS._asdict().items()]
    assert version_of(SHA256, MAPPING_BYTES, changed, 1) != FACE_MODEL_VERSION


def test_another_mapping_or_step_is_another_version() -> None:
    """The version changes with the mapping to landmarks, and with the number of the steps."""
    assert version_of(SHA256, MAPPING_BYTES + b" ", THRESHOLDS, 1) != FACE_MODEL_VERSION
    assert version_of(SHA256, MAPPING_BYTES, THRESHOLDS, 2) != FACE_MODEL_VERSION
    assert version_of(SHA256, MAPPING_BYTES, THRESHOLDS, 1) == FACE_MODEL_VERSION
