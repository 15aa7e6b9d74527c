"""The contour runs from one eye's level over the chin to the other eye's level."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from facebeam.transforms.local_model.face_contour import convex_hull, face_contour

Points = NDArray[np.float32]

ANGLES = np.linspace(0, 2 * np.pi, 72, endpoint=False)
OVAL = np.stack([100 + 40 * np.cos(ANGLES), 100 + 60 * np.sin(ANGLES)], axis=1).astype(np.float32)
EYES = np.array([[75, 90], [125, 90]], np.float32)
CHIN = np.array([100, 160], np.float32)

coordinate = st.floats(-1e4, 1e4, width=32)
points = arrays.arrays(np.float32, st.tuples(st.integers(1, 80), st.just(2)), elements=coordinate)
pairs = arrays.arrays(np.float32, (2, 2), elements=coordinate)


def steps(contour: Points) -> Points:
    """Give the lengths from each landmark to the next."""
    return np.hypot(*np.diff(contour, axis=0).T).astype(np.float32)


def test_an_oval_is_followed_from_eye_level_to_eye_level() -> None:
    """The contour's ends and its chin lie where the oval has them, and the steps of each half are equal."""
    contour = face_contour(OVAL, EYES, CHIN)
    width = 40 * np.sqrt(1 - (10 / 60) ** 2)
    assert contour[0] == pytest.approx([100 - width, 90], abs=0.5)
    assert contour[10] == pytest.approx(CHIN, abs=0.5)
    assert contour[20] == pytest.approx([100 + width, 90], abs=0.5)
    assert np.ptp(steps(contour)[:10]) < 0.2
    assert np.ptp(steps(contour)[10:]) < 0.2
    assert (contour[:, 1] >= 90 - 1e-3).all()


def test_the_mirrored_face_has_the_mirrored_contour() -> None:
    """A mirrored face has the mirrored contour, with its landmarks in reverse order."""
    flip = np.array([-1, 1], np.float32)
    slanted = OVAL + np.stack([OVAL[:, 1] / 10, np.zeros(72, np.float32)], axis=1)
    chin = np.array([116, 160], np.float32)
    flipped = face_contour(slanted * flip, EYES[::-1] * flip, chin * flip)
    assert flipped[::-1] * flip == pytest.approx(face_contour(slanted, EYES, chin), abs=1e-2)


@pytest.mark.parametrize("degrees", [30, 90, 180, 270])
def test_a_turned_face_keeps_its_left_and_right(degrees: int) -> None:
    """When the points of a face turn, the contour turns with them."""
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    turn = np.array([[cos, sin], [-sin, cos]], np.float32)
    turned = face_contour(OVAL @ turn, EYES @ turn, CHIN @ turn)
    assert turned == pytest.approx(face_contour(OVAL, EYES, CHIN) @ turn, abs=0.05)


@given(points, pairs, points)
def test_any_points_give_a_finite_contour(candidates: Points, eyes: Points, chin: Points) -> None:
    """A mesh of any points gives a contour of 21 finite landmarks within the candidates' box."""
    contour = face_contour(candidates, eyes, chin[0])
    assert contour.shape == (21, 2)
    assert contour.dtype == np.float32
    slack = 1e-3 * (1 + np.abs(candidates).max())
    assert (contour >= candidates.min(axis=0) - slack).all()
    assert (contour <= candidates.max(axis=0) + slack).all()


@given(arrays.arrays(np.int8, st.tuples(st.integers(3, 40), st.just(2))))
def test_a_hull_is_convex_and_holds_every_point(grid: NDArray[np.int8]) -> None:
    """For each edge of the hull, all points lie on the same side."""
    hull = convex_hull(grid.astype(np.float32))
    ahead = np.roll(hull, -1, axis=0) - hull
    offsets = grid.astype(np.float32)[:, np.newaxis] - hull
    assert (ahead[:, 0] * offsets[..., 1] - ahead[:, 1] * offsets[..., 0] >= 0).all() or len(hull) <= 2
