"""What is a face, and how sure: from the detector's score, the mesh's presence and its mirror image.

No one of the three is enough: presence throws good profiles away, a dog has a high score, a puppy's mesh
agrees with its mirror image.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from facebeam.transforms.local_model.face_mesh import Mesh
from facebeam.transforms.local_model.thresholds import THRESHOLDS

ERROR_SIGNS: Final = [0, 1, 2, 4]
"""Which of `signs` predict the error."""
SCORE_SIGNS: Final = [0, 1, 2, 3]
"""Which of them predict whether the points are right; the size does not help there."""


class Certainty(NamedTuple):
    """How far a face can be trusted."""

    score: float
    """0 to 1: the share of such faces whose points are right within 5 % of the face's size."""
    predicted_error: float
    """% of the distance of the eyes' outer corners, as it is from the front."""


def is_face(mesh: Mesh, score: float, *, turned: bool = False) -> bool:
    """Tell whether a detection of this score, with this mesh, is a face.

    `turned`: only a turned look saw it, which takes more.
    """
    if turned and (score < THRESHOLDS.turned_score or mesh.presence < THRESHOLDS.turned_presence):
        return False
    if score >= THRESHOLDS.sure:
        return True
    return mesh.presence >= THRESHOLDS.presence and (mesh.disagreement or 0) <= THRESHOLDS.disagreement


def certainty(mesh: Mesh, score: float) -> Certainty:
    """Predict from the fits of `thresholds`."""
    known = signs(mesh, score)
    error = np.exp(np.dot(THRESHOLDS.error_fit, known[ERROR_SIGNS])) * THRESHOLDS.size_of_eyes
    return Certainty(float(1 / (1 + np.exp(-np.dot(THRESHOLDS.score_fit, known[SCORE_SIGNS])))), float(error))


def signs(mesh: Mesh, score: float) -> NDArray[np.float64]:
    """Give what the fits know: 1, ln of the disagreement, presence, the detector's score, ln of the size.

    A mesh of one pass counts as if the second one were 1 % away, as it is for plain faces.
    """
    disagreement = 1.0 if mesh.disagreement is None else mesh.disagreement
    return np.array([1.0, np.log(disagreement), mesh.presence, score, np.log(mesh.size)])
