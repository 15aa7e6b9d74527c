"""The square of an image in which a face is looked at closely: upright for the face, at any angle."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from facebeam.transforms.local_model.thresholds import THRESHOLDS

_MARGIN = 1.5
"""Crop's side over the face's: what FaceMesh was trained with (MediaPipe's `face_landmark` graphs)."""


class FaceCrop(NamedTuple):
    """A turned square, in pixels of the image."""

    centre: NDArray[np.float32]
    """x, y."""
    side: float
    angle: float
    """Radians from the image's x axis to the line through the face's eyes; y grows downwards."""

    @property
    def axes(self) -> NDArray[np.float32]:
        """The crop's x and y direction as the columns of float32[2, 2]."""
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        return np.array([[cos, -sin], [sin, cos]], dtype=np.float32)

    @property
    def box(self) -> NDArray[np.float32]:
        """The square unturned: x0, y0, x1, y1."""
        return np.concatenate([self.centre - self.side / 2, self.centre + self.side / 2])


def crop_around_detection(box: NDArray[np.float32], points: NDArray[np.float32]) -> FaceCrop:
    """Frame a detected face: float32[4] as x0 y0 x1 y1, float32[5, 2] as eyes, nose and mouth corners.

    The eyes' line alone is short, and so noisy, on a profile; the line from the eyes to the mouth is not.
    """
    left_eye, right_eye, _, left_mouth, right_mouth = points
    down = (left_mouth + right_mouth - left_eye - right_eye) / 2
    across = right_eye - left_eye + np.array([down[1], -down[0]], np.float32)
    side = float((box[2:] - box[:2]).max())
    rough = FaceCrop((box[:2] + box[2:]) / np.float32(2), side, _angle_of(across))
    lower = rough.centre + rough.axes[:, 1] * np.float32(THRESHOLDS.box_down * side)
    return rough._replace(centre=lower, side=THRESHOLDS.box_margin * side)


def crop_around_points(points: NDArray[np.float32], eyes: NDArray[np.float32]) -> FaceCrop:
    """Frame a face's points, float32[n, 2], by their box in the face's own upright frame."""
    angle = _angle_of(eyes[1] - eyes[0])
    axes = FaceCrop(eyes[0], 0.0, angle).axes
    upright = points @ axes
    low, high = upright.min(axis=0), upright.max(axis=0)
    return FaceCrop(axes @ ((low + high) / np.float32(2)), _MARGIN * float((high - low).max()), angle)


def cut_out(image: Image.Image, crop: FaceCrop, side: int) -> NDArray[np.uint8]:
    """Show the crop as uint8[side, side, 3]; black outside the image."""
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
    """Bring points from a shown crop of `side` pixels into the image: float32[..., 2] as x y."""
    offsets: NDArray[np.float32] = (points - np.float32(side / 2)) * np.float32(crop.side / side)
    return offsets @ crop.axes.T + crop.centre


def _shrink_around(
    image: Image.Image, crop: FaceCrop, factor: int
) -> tuple[Image.Image, NDArray[np.float32]]:
    """Shrink what the crop shows, since the affine transform alone would skip pixels: image, origin."""
    reach = crop.side * np.sqrt(0.5)
    low = np.clip(np.floor(crop.centre - reach), 0, np.array(image.size) - 1).astype(int)
    high = np.clip(np.ceil(crop.centre + reach), low + 1, image.size).astype(int)
    return image.reduce(factor, (low[0], low[1], high[0], high[1])), low.astype(np.float32)


def _angle_of(across: NDArray[np.float32]) -> float:
    angle = float(np.arctan2(across[1], across[0]))
    return angle if abs(np.degrees(angle)) >= THRESHOLDS.upright_degrees else 0.0
