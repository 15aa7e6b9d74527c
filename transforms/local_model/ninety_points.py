"""Convert FaceMesh's 478 vertices to the 90 landmarks of the API, with `landmark_mapping.json`."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from facebeam.schemas.landmarks import LANDMARK_COUNT, region_slice
from facebeam.transforms.local_model.face_contour import face_contour
from facebeam.transforms.local_model.face_mesh import EYE_CORNERS
from facebeam.transforms.local_model.mapping import GROUPS, PROFILE_CANDIDATES

_VERTICES: Final = 478
_CHIN: Final = 152


def _weights(groups: dict[str, list[dict[str, float]]]) -> NDArray[np.float32]:
    """Give the weighted means as one matrix: float32[90, 478]; the rows of the contour are zero."""
    matrix = np.zeros((LANDMARK_COUNT, _VERTICES), dtype=np.float32)
    for region, landmarks in groups.items():
        for row, weights in zip(matrix[region_slice(region)], landmarks, strict=True):
            row[[int(vertex) for vertex in weights]] = list(weights.values())
    return matrix


WEIGHTS: Final = _weights(GROUPS)


def ninety_points(vertices: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give the 90 landmarks of a mesh, in the order of `landmark_names()`.

    Shape: float32[478, 2] -> float32[90, 2], in the same coordinate system
    """
    points = WEIGHTS @ vertices
    points[region_slice("face_profile")] = face_contour(
        vertices[PROFILE_CANDIDATES], vertices[list(EYE_CORNERS)], vertices[_CHIN]
    )
    return points
