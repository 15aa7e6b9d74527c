"""The 478 vertices of a face, by FaceMesh-V2.

Source: MediaPipe's `face_landmarks_detector` (Apache-2.0). Vertices 33 and 263 are the outer corners of the
eyes at the image's left and right.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from facebeam.transforms.local_model.face_crop import FaceCrop, crop_around_points, cut_out, place
from facebeam.transforms.local_model.network import Network
from facebeam.transforms.local_model.overlaps import overlap

EYE_CORNERS: Final = (33, 263)
_MAX_TURN: Final = np.radians(10)
_MIN_IOU: Final = 0.7


class Mesh(NamedTuple):
    """A face's vertices, and how sure the network is that there is a face."""

    vertices: NDArray[np.float32]
    """float32[478, 2]: x, y in pixels of the image."""
    presence: float
    """A logit: from 0 on it is a face."""

    @property
    def box(self) -> NDArray[np.float32]:
        """The vertices' box: x0, y0, x1, y1."""
        return np.concatenate([self.vertices.min(axis=0), self.vertices.max(axis=0)])

    @property
    def crop(self) -> FaceCrop:
        """The crop in which the network would see this face best."""
        return crop_around_points(self.vertices, self.vertices[list(EYE_CORNERS)])


def face_mesh(network: Network, image: Image.Image, crop: FaceCrop, *, always_twice: bool) -> Mesh | None:
    """Fit the mesh to the face in a crop, or give None where the network sees no face.

    The detector's crop is rough: where the mesh itself suggests another one, a second pass looks there.

    Args:
        network: the loaded `weights.MESH`.
        image: upright, mode RGB.
        crop: where to look first.
        always_twice: look again even where the crop fitted.
    """
    mesh = _fit(network, image, crop)
    if mesh.presence >= 0 and (always_twice or _moved(crop, mesh.crop)):
        mesh = _fit(network, image, mesh.crop)
    return mesh if mesh.presence >= 0 else None


def _fit(network: Network, image: Image.Image, crop: FaceCrop) -> Mesh:
    pixels = cut_out(image, crop, network.side)
    vertices, presence, _ = network.run(pixels * np.float32(1 / 255))
    return Mesh(place(vertices.reshape(-1, 3)[:, :2], crop, network.side), float(presence.item()))


def _moved(before: FaceCrop, after: FaceCrop) -> bool:
    turn = (after.angle - before.angle + np.pi) % (2 * np.pi) - np.pi
    return bool(abs(turn) > _MAX_TURN or overlap(before.box, after.box[np.newaxis])[0] < _MIN_IOU)
