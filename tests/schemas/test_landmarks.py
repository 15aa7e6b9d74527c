"""The 90 landmarks follow the contract: names, order, and the permutation of a mirror."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from facebeam.schemas.landmarks import LANDMARK_COUNT, MIRROR, OFFSETS, REGIONS, landmark_names, region_slice


def test_the_regions_are_the_contract_s() -> None:
    """The nine regions have the contract's order, and each begins where the one before it ends."""
    assert list(REGIONS.items()) == [
        ("face_profile", 21),
        ("left_eye", 8),
        ("right_eye", 8),
        ("left_eye_brow", 8),
        ("right_eye_brow", 8),
        ("mouth", 22),
        ("nose", 13),
        ("left_pupil", 1),
        ("right_pupil", 1),
    ]
    assert list(OFFSETS.values()) == [0, 21, 29, 37, 45, 53, 75, 88, 89]
    assert list(OFFSETS) == list(REGIONS)
    assert LANDMARK_COUNT == 90


def test_every_landmark_has_a_name_of_its_own() -> None:
    """Each of the 90 landmarks has its own name, region and two-digit number, in the flat order."""
    names = landmark_names()
    assert len(set(names)) == len(names) == 90
    assert names[52:55] == ["right_eye_brow_07", "mouth_00", "mouth_01"]
    assert names[87:] == ["nose_12", "left_pupil_00", "right_pupil_00"]


@pytest.mark.parametrize("region", REGIONS)
def test_a_region_s_slice_has_its_landmarks(region: str) -> None:
    """The slice of a region covers exactly the landmarks of that region."""
    names = landmark_names()[region_slice(region)]
    assert names == [f"{region}_{i:02d}" for i in range(REGIONS[region])]


def test_an_unknown_region_is_refused() -> None:
    """A name that is not a region raises KeyError."""
    with pytest.raises(KeyError, match="eyebrow"):
        region_slice("eyebrow")


def test_the_mirror_is_the_contract_s() -> None:
    """The mirror permutation is the one that the contract lists."""
    profile = [20, 19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0]
    eyes = [29, 30, 31, 32, 33, 34, 35, 36, 21, 22, 23, 24, 25, 26, 27, 28]
    brows = [45, 46, 47, 48, 49, 50, 51, 52, 37, 38, 39, 40, 41, 42, 43, 44]
    mouth = [59, 58, 57, 56, 55, 54, 53, 64, 63, 62, 61, 60, 69, 68, 67, 66, 65, 74, 73, 72, 71, 70]
    nose = [75, 76, 87, 86, 85, 84, 83, 82, 81, 80, 79, 78, 77]
    assert list(MIRROR) == [*profile, *eyes, *brows, *mouth, *nose, 89, 88]


@given(arrays(np.float32, (90, 2), elements=st.integers(-5000, 5000)), st.integers(1, 5000))
def test_two_flips_change_nothing(points: np.ndarray, width: int) -> None:
    """The points of a photograph that is mirrored twice are in their old places."""

    def flip(seen: np.ndarray) -> np.ndarray:
        return np.stack([width - seen[:, 0], seen[:, 1]], axis=1)[list(MIRROR)]

    assert np.array_equal(flip(flip(points)), points)
