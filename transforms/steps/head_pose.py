"""Compute how a head is turned from the 90 landmarks of any source.

`head_shape.json` is the mean shape of a face in three dimensions. It has the 69 landmarks that follow the
contour; the contour is left out, because its points are not fixed to the face. The shape was made from
FaceMesh's answers on 99 faces of open data sets, each also mirrored; pitch 0 is the median of the faces that
the network is sure of. From far away, a camera sees the turned shape without its depth. The pose is found by
a least-squares fit of that view, and then the nearest rotation.
"""

import json
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from facebeam.schemas.landmarks import region_slice

_FIRST: Final = region_slice("face_profile").stop
_SHAPE: Final = np.array(json.loads(Path(__file__).with_name("head_shape.json").read_bytes()))
_FIT: Final[NDArray[np.float64]] = np.linalg.pinv(_SHAPE - _SHAPE.mean(axis=0))


def head_pose(points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give yaw, pitch and roll of faces.

    Yaw grows as the face turns to the image's left, pitch as it looks down, roll as it leans to the right.

    Shape: float32[n, 90, 2] -> float32[n, 3] in degrees: -90 to 90, -180 to 180, -180 to 180
    """
    seen = np.nan_to_num(points[:, _FIRST:].astype(np.float64), posinf=0, neginf=0)
    # The rows of _FIT sum to 0, so it does not matter where the face is in the image.
    view = np.swapaxes(_FIT @ seen, 1, 2)
    left, _, right = np.linalg.svd(view, full_matrices=False)
    across, down = np.moveaxis(left @ right, 1, 0)
    depth = np.cross(across, down)
    angles = (
        np.arcsin(np.clip(-depth[:, 0], -1, 1)),
        np.arctan2(depth[:, 1], depth[:, 2]),
        np.arctan2(down[:, 0], across[:, 0]),
    )
    return np.degrees(np.stack(angles, axis=1)).astype(np.float32)
