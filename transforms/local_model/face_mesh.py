"""Find the 478 vertices of a face with the network FaceMesh-V2, in one or two passes.

Source: MediaPipe's `face_landmarks_detector` (Apache-2.0). Vertex 33 is the outer corner of the eye on the
left of the image, and vertex 263 that of the eye on the right.
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
"""Lower limit of a disagreement, in % of the face's size, so that its logarithm is finite."""


class Mesh(NamedTuple):
    """A face's vertices, and two values that tell whether they can be trusted."""

    vertices: NDArray[np.float32]
    """float32[478, 2]: x, y in pixels of the image."""
    presence: float
    """Logit of the network that there is a face; with two passes, their mean."""
    disagreement: float | None
    """Mean distance between the two passes' vertices, in % of the face's size; None: only one pass."""

    @property
    def box(self) -> NDArray[np.float32]:
        """The box around the vertices: x0, y0, x1, y1 in pixels of the image."""
        return np.concatenate([self.vertices.min(axis=0), self.vertices.max(axis=0)])

    @property
    def size(self) -> float:
        """The longer side of the box, in pixels of the image; at least 1."""
        return max(float(np.ptp(self.vertices, axis=0).max()), 1.0)


class _Pass(NamedTuple):
    """The network's output for one crop."""

    vertices: NDArray[np.float32]
    presence: float

    @property
    def crop(self) -> FaceCrop:
        """The crop around these vertices, with the margin that the network was trained with."""
        return crop_around_points(self.vertices, self.vertices[list(EYE_CORNERS)])


def face_mesh(network: Network, image: Image.Image, crop: FaceCrop, score: float) -> Mesh:
    """Fit the mesh to a crop, whether the crop shows a face or not.

    A pass takes 8 ms. A clear face that fits its crop needs only one. Otherwise a second pass uses the
    mirrored crop, and the vertices are the mean of both passes. If the first mesh does not fit its crop, the
    second pass uses the mirrored crop around the first mesh, and only the vertices of the second pass are
    returned.

    Args:
        network: the loaded `weights.MESH`.
        image: upright, mode RGB.
        crop: the crop of the first pass.
        score: the detector's score, 0 to 1.
    """
    pixels = cut_out(image, crop, network.side)
    direct = _fit(network, pixels, crop)
    better = direct.crop
    if _moved(crop, better):
        mirrored = _fit(network, cut_out(image, better, network.side), better, mirrored=True)
        return _joined(direct, mirrored, mirrored.vertices)
    if score >= THRESHOLDS.sure and direct.presence >= THRESHOLDS.plain_presence:
        return Mesh(direct.vertices, direct.presence, None)
    mirrored = _fit(network, pixels, crop, mirrored=True)
    return _joined(direct, mirrored, (direct.vertices + mirrored.vertices) / np.float32(2))


def _joined(direct: _Pass, mirrored: _Pass, vertices: NDArray[np.float32]) -> Mesh:
    mesh = Mesh(vertices, (direct.presence + mirrored.presence) / 2, None)
    apart = float(np.linalg.norm(direct.vertices - mirrored.vertices, axis=1).mean())
    return mesh._replace(disagreement=max(100 * apart / mesh.size, LEAST_DISAGREEMENT))


def _fit(network: Network, pixels: NDArray[np.uint8], crop: FaceCrop, *, mirrored: bool = False) -> _Pass:
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
