"""How a head is turned, from its 90 landmarks: whatever source found them.

`head_shape.json` is the mean shape of a face in three dimensions: the 69 landmarks behind the contour, which
has no fixed points. It was made from FaceMesh's answers on 99 open faces, each also mirrored; pitch 0 is the
median of those that the network is sure of. Seen from far, points are the shape, turned, without depth:
the best such view is a least-squares fit, then the nearest rotation.
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

    Yaw grows as a face looks to the image's left, pitch as it looks down, roll as it leans to the right.

    Shape: float32[n, 90, 2] -> float32[n, 3] in degrees: -90 to 90, -180 to 180, -180 to 180
    """
    seen = np.nan_to_num(points[:, _FIRST:].astype(np.float64), posinf=0, neginf=0)
    view = np.swapaxes(_FIT @ (seen - seen.mean(axis=1, keepdims=True)), 1, 2)
    left, _, right = np.linalg.svd(view, full_matrices=False)
    across, down = np.moveaxis(left @ right, 1, 0)
    depth = np.cross(across, down)
    angles = (
        np.arcsin(np.clip(-depth[:, 0], -1, 1)),
        np.arctan2(depth[:, 1], depth[:, 2]),
        np.arctan2(down[:, 0], across[:, 0]),
    )
    return np.degrees(np.stack(angles, axis=1)).astype(np.float32)
