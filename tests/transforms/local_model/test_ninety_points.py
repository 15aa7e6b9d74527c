"""The 478 vertices of a mesh become 90 landmarks."""

import numpy as np
import pytest
from numpy.typing import NDArray

from facebeam.schemas.landmarks import region_slice
from facebeam.transforms.local_model.ninety_points import WEIGHTS, ninety_points

MESH: NDArray[np.float32] = np.random.default_rng(90).normal(100, 30, (478, 2)).astype(np.float32)


def test_every_landmark_is_a_mean_of_vertices() -> None:
    """The weights of each landmark sum to 1; only the contour's landmarks have no weights."""
    sums = WEIGHTS.sum(axis=1)
    contour = region_slice("face_profile")
    assert not sums[contour].any()
    assert np.delete(sums, contour) == pytest.approx(1)
    assert (WEIGHTS >= 0).all()


@pytest.mark.parametrize(
    ("region", "index", "vertex"),
    [
        ("left_eye", 0, 33),
        ("left_eye", 4, 133),
        ("right_eye", 0, 263),
        ("right_eye", 4, 362),
        ("mouth", 0, 61),
        ("mouth", 3, 17),
        ("mouth", 6, 291),
        ("mouth", 9, 0),
        ("nose", 0, 4),
        ("left_pupil", 0, 468),
        ("right_pupil", 0, 473),
    ],
)
def test_a_landmark_stands_on_its_vertex(region: str, index: int, vertex: int) -> None:
    """The landmarks at corners, tips and pupils are single vertices of the mesh."""
    assert ninety_points(MESH)[region_slice(region)][index] == pytest.approx(MESH[vertex], rel=1e-5)


def test_nose_flanks_divide_the_way_from_bridge_to_wing() -> None:
    """Nose landmarks 2, 3 and 4 divide the way from 1 to 5 into quarters; 12, 11 and 10 the way to 9."""
    nose = ninety_points(MESH)[region_slice("nose")]
    for quarter, (left, right) in enumerate(((2, 12), (3, 11), (4, 10)), start=1):
        assert nose[left] == pytest.approx(nose[1] + (nose[5] - nose[1]) * quarter / 4, rel=1e-4)
        assert nose[right] == pytest.approx(nose[1] + (nose[9] - nose[1]) * quarter / 4, rel=1e-4)


def test_a_moved_turned_and_grown_mesh_moves_its_landmarks() -> None:
    """When a mesh is moved, turned and enlarged, its landmarks move in the same way."""
    turn = np.array([[0, 2], [-2, 0]], np.float32)
    assert ninety_points(MESH @ turn + 7) == pytest.approx(ninety_points(MESH) @ turn + 7, abs=1e-2)
