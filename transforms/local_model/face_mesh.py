"""The 478 vertices of a face by FaceMesh-V2, seen twice: as it is, and in the mirror.

Source: MediaPipe's `face_landmarks_detector` (Apache-2.0). Vertices 33 and 263 are the outer corners of the
eyes at the image's left and right.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from facebeam.transforms.local_model.face_crop import FaceCrop, crop_around_points, cut_out, place
from facebeam.transforms.local_model.mapping import MIRROR_VERTICES
from facebeam.transforms.local_model.network import Network
from facebeam.transforms.local_model.overlaps import overlap
from facebeam.transforms.local_model.thresholds import THRESHOLDS

EYE_CORNERS: Final = (33, 263)
LEAST_DISAGREEMENT: Final = 0.05
"""% of the face's size: less is taken for this, so that a plain picture's logarithm is finite."""


class Mesh(NamedTuple):
    """A face's vertices, and what says whether they can be trusted."""

    vertices: NDArray[np.float32]
    """float32[478, 2]: x, y in pixels of the image; the mean of both passes."""
    presence: float
    """A logit: the surer pass's that there is a face."""
    disagreement: float
    """Mean distance of the two passes' vertices, in % of the face's size."""

    @property
    def box(self) -> NDArray[np.float32]:
        """The vertices' box: x0, y0, x1, y1."""
        return np.concatenate([self.vertices.min(axis=0), self.vertices.max(axis=0)])


class _Pass(NamedTuple):
    """One answer of the network."""

    vertices: NDArray[np.float32]
    presence: float

    @property
    def crop(self) -> FaceCrop:
        """The crop in which the network would see this face best."""
        return crop_around_points(self.vertices, self.vertices[list(EYE_CORNERS)])


def face_mesh(network: Network, image: Image.Image, crop: FaceCrop) -> Mesh:
    """Fit the mesh to what a crop shows, face or not.

    The detector's crop is rough. The mirrored pass looks where the first mesh says the face is, and the first
    pass is done again where that moved the crop much.

    Args:
        network: the loaded `weights.MESH`.
        image: upright, mode RGB.
        crop: where to look first.
    """
    direct = _fit(network, image, crop)
    better = direct.crop
    if _moved(crop, better):
        direct = _fit(network, image, better)
    mirrored = _fit(network, image, better, mirrored=True)
    apart = float(np.linalg.norm(direct.vertices - mirrored.vertices, axis=1).mean())
    size = max(float(np.ptp(direct.vertices, axis=0).max()), 1e-6)
    return Mesh(
        (direct.vertices + mirrored.vertices) / np.float32(2),
        max(direct.presence, mirrored.presence),
        max(100 * apart / size, LEAST_DISAGREEMENT),
    )


def _fit(network: Network, image: Image.Image, crop: FaceCrop, *, mirrored: bool = False) -> _Pass:
    pixels = cut_out(image, crop, network.side)
    seen, presence, _ = network.run((pixels[:, ::-1] if mirrored else pixels) * np.float32(1 / 255))
    vertices = seen.reshape(-1, 3)[:, :2]
    if mirrored:
        vertices = _unmirrored(vertices, network.side)
    return _Pass(place(vertices, crop, network.side), float(presence.item()))


def _unmirrored(vertices: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    flipped = vertices * np.array([-1, 1], np.float32) + np.array([side, 0], np.float32)
    return flipped[MIRROR_VERTICES]


def _moved(before: FaceCrop, after: FaceCrop) -> bool:
    turn = (after.angle - before.angle + np.pi) % (2 * np.pi) - np.pi
    is_turned = abs(np.degrees(turn)) > THRESHOLDS.moved_degrees
    return bool(is_turned or overlap(before.box, after.box[np.newaxis])[0] < THRESHOLDS.moved_iou)
