"""478 vertices become 90 landmarks."""

import numpy as np
import pytest
from numpy.typing import NDArray

from schemas.landmarks import region_slice
from transforms.local_model.ninety_points import WEIGHTS, ninety_points

MESH: NDArray[np.float32] = np.random.default_rng(90).normal(100, 30, (478, 2)).astype(np.float32)


def test_every_landmark_is_a_mean_of_vertices() -> None:
    """Each row's weights sum to 1; only the contour's rows are empty."""
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
    """Corners, tips and pupils are single vertices of the mesh."""
    assert ninety_points(MESH)[region_slice(region)][index] == pytest.approx(MESH[vertex], rel=1e-5)


def test_nose_flanks_divide_the_way_from_bridge_to_wing() -> None:
    """Nose 2-4 stand at a quarter, a half and three quarters from 1 to 5; 12-10 likewise from 1 to 9."""
    nose = ninety_points(MESH)[region_slice("nose")]
    for quarter, (left, right) in enumerate(((2, 12), (3, 11), (4, 10)), start=1):
        assert nose[left] == pytest.approx(nose[1] + (nose[5] - nose[1]) * quarter / 4, rel=1e-4)
        assert nose[right] == pytest.approx(nose[1] + (nose[9] - nose[1]) * quarter / 4, rel=1e-4)


def test_a_moved_turned_and_grown_mesh_moves_its_landmarks() -> None:
    """The landmarks do not depend on the frame in which the mesh is given."""
    turn = np.array([[0, 2], [-2, 0]], np.float32)
    assert ninety_points(MESH @ turn + 7) == pytest.approx(ninety_points(MESH) @ turn + 7, abs=1e-2)
