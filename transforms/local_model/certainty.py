"""Decide what is a face, and how certain its points are.

The decision uses three signs, because none of them is enough alone. The mesh's presence alone would reject
good profiles. The detector's score alone would accept a dog. The difference between the mesh and the mesh of
the mirrored crop alone would accept a puppy.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from facebeam.transforms.local_model.face_mesh import Mesh
from facebeam.transforms.local_model.thresholds import THRESHOLDS

ERROR_SIGNS: Final = [0, 1, 2, 4]
"""Indices of the `signs` that predict the error."""
SCORE_SIGNS: Final = [0, 1, 2, 3]
"""Indices of the `signs` that predict whether the points are right. The size does not improve this fit."""


class Certainty(NamedTuple):
    """How far the points of a face can be trusted."""

    score: float
    """0 to 1: share of the faces with this score whose points are right within 5 % of the face's size."""
    predicted_error: float
    """Expected mean error of the points, in % of the distance between the outer corners of the eyes.

    This distance is the one that a view from the front would show, also if the head is turned.
    """


def is_face(mesh: Mesh, score: float, *, turned: bool = False) -> bool:
    """Tell whether a detection with this score and this mesh is a face.

    Args:
        mesh: the mesh that was fitted to the detection.
        score: the detector's score, 0 to 1.
        turned: whether the detector found it only in a turned image. Such a face needs a higher presence and
            score.
    """
    if turned and (score < THRESHOLDS.turned_score or mesh.presence < THRESHOLDS.turned_presence):
        return False
    if score >= THRESHOLDS.sure:
        return True
    return mesh.presence >= THRESHOLDS.presence and (mesh.disagreement or 0) <= THRESHOLDS.disagreement


def certainty(mesh: Mesh, score: float) -> Certainty:
    """Predict score and error of a face with `score_fit` and `error_fit` of the thresholds."""
    known = signs(mesh, score)
    error = np.exp(np.dot(THRESHOLDS.error_fit, known[ERROR_SIGNS])) * THRESHOLDS.size_of_eyes
    return Certainty(float(1 / (1 + np.exp(-np.dot(THRESHOLDS.score_fit, known[SCORE_SIGNS])))), float(error))


def signs(mesh: Mesh, score: float) -> NDArray[np.float64]:
    """Give the inputs of the fits: 1, ln of the disagreement, presence, the detector's score, ln of the size.

    A mesh of one pass has no disagreement. It counts as 1 %, which is usual for clear faces.

    Shape: -> float64[5]
    """
    disagreement = 1.0 if mesh.disagreement is None else mesh.disagreement
    return np.array([1.0, np.log(disagreement), mesh.presence, score, np.log(mesh.size)])
