"""Faces of two answers are paired one to one, and measured in their own eye distance."""

import numpy as np
import pytest
from numpy.typing import NDArray

from facebeam.schemas.landmarks import REGIONS, region_slice
from facebeam.transforms.results.match_faces import match_faces, region_distances


def face(x: float = 0, size: float = 100) -> NDArray[np.float32]:
    """Make a face, float32[90, 2], whose eyes are half of its size apart."""
    points = np.random.default_rng(1).random((90, 2)) * size
    points[region_slice("left_eye")] = (size / 4, size / 4)
    points[region_slice("right_eye")] = (size * 3 / 4, size / 4)
    return (points + np.array([x, 0])).astype(np.float32)


def faces(*xs: float) -> NDArray[np.float32]:
    """Put faces at these places."""
    return np.stack([face(x) for x in xs])


def test_faces_are_paired_whatever_their_order() -> None:
    """Each face finds itself, although the other answer has another order and other faces."""
    assert sorted(match_faces(faces(0, 300, 600), faces(602, 1, 900))) == [(0, 1), (2, 0)]


def test_a_face_has_one_partner() -> None:
    """Two near faces and one partner make one pair, with the nearer face."""
    assert match_faces(faces(0, 10), faces(8)) == [(1, 0)]


def test_what_is_far_apart_is_another_face() -> None:
    """A face a third of its size away is another face, and an answer without faces has no pairs."""
    assert match_faces(faces(0), faces(33)) == []
    assert match_faces(faces(0), faces(0)[:0]) == []


@pytest.mark.parametrize("size", [20, 100, 4000])
def test_distances_are_in_percent_of_the_eye_distance(size: float) -> None:
    """A mouth that is moved by a tenth of the eye distance is 10 % away, at any size; nothing else is."""
    one = face(size=size)[None]
    other = one.copy()
    other[:, region_slice("mouth")] += (0, 0.05 * size)
    (distances,) = region_distances(one, other)
    of_region = dict(zip([*REGIONS, "all"], distances.tolist(), strict=True))
    assert of_region.pop("mouth") == pytest.approx(10, rel=1e-3)
    assert of_region.pop("all") == pytest.approx(10 * 22 / 90, rel=1e-3)
    assert not any(of_region.values())


def test_eyes_in_one_place_do_not_divide_by_zero() -> None:
    """Eyes that are nearer than one pixel count as one pixel apart."""
    point = np.zeros((1, 90, 2), np.float32)
    assert region_distances(point, point + np.float32(1)).max() == pytest.approx(100 * 2**0.5)
