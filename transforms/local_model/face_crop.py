"""Cut the square around a face out of an image, turned so that the face is upright in it."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from facebeam.transforms.local_model.thresholds import THRESHOLDS

_MARGIN = 1.5
"""Side of the crop, divided by the side of the face.

FaceMesh was trained with this value (source: MediaPipe's `face_landmark` graphs)."""


class FaceCrop(NamedTuple):
    """A turned square, in pixels of the image."""

    centre: NDArray[np.float32]
    """x, y."""
    side: float
    angle: float
    """Angle from the image's x axis to the line through the face's eyes, in radians; y points down."""

    @property
    def axes(self) -> NDArray[np.float32]:
        """The directions of the crop's x and y axes in the image, as the columns of float32[2, 2]."""
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        return np.array([[cos, -sin], [sin, cos]], dtype=np.float32)

    @property
    def box(self) -> NDArray[np.float32]:
        """The square without its turn, as x0, y0, x1, y1."""
        return np.concatenate([self.centre - self.side / 2, self.centre + self.side / 2])


def crop_around_detection(box: NDArray[np.float32], points: NDArray[np.float32]) -> FaceCrop:
    """Give the crop around a detected face.

    The angle comes from two lines: through the eyes, and from the eyes to the mouth. In a profile the line
    through the eyes is short, so its angle alone would be inaccurate.

    Args:
        box: float32[4] as x0 y0 x1 y1, in pixels of the image.
        points: float32[5, 2]: left eye, right eye, nose, left and right corner of the mouth.
    """
    left_eye, right_eye, _, left_mouth, right_mouth = points
    down = (left_mouth + right_mouth - left_eye - right_eye) / 2
    across = right_eye - left_eye + np.array([down[1], -down[0]], np.float32)
    side = float((box[2:] - box[:2]).max())
    rough = FaceCrop((box[:2] + box[2:]) / np.float32(2), side, _angle_of(across))
    lower = rough.centre + rough.axes[:, 1] * np.float32(THRESHOLDS.box_down * side)
    return rough._replace(centre=lower, side=THRESHOLDS.box_margin * side)


def crop_around_points(points: NDArray[np.float32], eyes: NDArray[np.float32]) -> FaceCrop:
    """Give the crop around a face's points, with the margin that FaceMesh was trained with.

    Args:
        points: float32[n, 2], in pixels of the image.
        eyes: float32[2, 2]: two points that give the angle, the left one in the crop first.
    """
    angle = _angle_of(eyes[1] - eyes[0])
    axes = FaceCrop(eyes[0], 0.0, angle).axes
    upright = points @ axes
    low, high = upright.min(axis=0), upright.max(axis=0)
    return FaceCrop(axes @ ((low + high) / np.float32(2)), _MARGIN * float((high - low).max()), angle)


def cut_out(image: Image.Image, crop: FaceCrop, side: int) -> NDArray[np.uint8]:
    """Cut the crop out and scale it: uint8[side, side, 3]; parts outside the image are black."""
    low, high = crop.box[:2], crop.box[2:]
    if crop.angle == 0 and (low >= 0).all() and (high <= image.size).all():
        upright = image.resize((side, side), Image.Resampling.BILINEAR, crop.box.tolist(), reducing_gap=1.0)
        return np.asarray(upright)
    factor = max(1, int(crop.side / side))
    source, origin = _shrink_around(image, crop, factor) if factor > 1 else (image, np.zeros(2, np.float32))
    matrix = crop.axes * (crop.side / side / factor)
    start = (crop.centre - origin) / factor - matrix.sum(axis=1) * (side / 2)
    a, b, c, d, e, f = (float(value) for value in np.column_stack([matrix, start]).flat)
    turned = source.transform(
        (side, side), Image.Transform.AFFINE, (a, b, c, d, e, f), Image.Resampling.BILINEAR
    )
    return np.asarray(turned)


def place(points: NDArray[np.float32], crop: FaceCrop, side: int) -> NDArray[np.float32]:
    """Convert points of a crop of `side` x `side` pixels to points of the image: float32[..., 2] as x y."""
    offsets: NDArray[np.float32] = (points - np.float32(side / 2)) * np.float32(crop.side / side)
    return offsets @ crop.axes.T + crop.centre


def _shrink_around(
    image: Image.Image, crop: FaceCrop, factor: int
) -> tuple[Image.Image, NDArray[np.float32]]:
    """Shrink the part of an image that a crop covers, because the affine transform alone would skip pixels.

    Returns:
        The shrunk part, and its origin in the image in pixels: float32[2].
    """
    reach = crop.side * np.sqrt(0.5)
    low = np.clip(np.floor(crop.centre - reach), 0, np.array(image.size) - 1).astype(int)
    high = np.clip(np.ceil(crop.centre + reach), low + 1, image.size).astype(int)
    return image.reduce(factor, (low[0], low[1], high[0], high[1])), low.astype(np.float32)


def _angle_of(across: NDArray[np.float32]) -> float:
    angle = float(np.arctan2(across[1], across[0]))
    return angle if abs(np.degrees(angle)) >= THRESHOLDS.upright_degrees else 0.0
