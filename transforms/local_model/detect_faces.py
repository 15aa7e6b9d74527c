"""Find faces with the network CenterFace, at an input size that depends on the photograph.

The first look uses a small input. If it finds a small face, there are usually more small faces. Then a second
look uses a larger input, and only the faces of the second look count.
Source of the network's geometry: the authors' `centerface.py` (MIT).
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from facebeam.transforms.local_model.network import Network
from facebeam.transforms.local_model.overlaps import group_overlaps, suppress_overlaps
from facebeam.transforms.local_model.thresholds import THRESHOLDS
from facebeam.transforms.local_model.weights import DETECTOR

MAX_IOU: Final = 0.3
"""Boxes with a larger intersection over union show the same face."""
_STRIDE: Final = 4
"""The network's output has one cell per 4 x 4 pixels of the input."""
_BLOCK: Final = 32
"""Sides of the input must be multiples of this, because the network halves its input five times."""
_MAX_LOG: Final = np.float32(8)
"""Limit of the logarithm of a box's side in cells, so that `exp` cannot overflow. Real boxes are smaller."""


class Detections(NamedTuple):
    """Faces found, in pixels of the image."""

    boxes: NDArray[np.float32]
    """float32[n, 4] as x0 y0 x1 y1."""
    points: NDArray[np.float32]
    """float32[n, 5, 2]: left eye, right eye, nose, left and right corner of the mouth.

    Left is the left side of the image in which the face is upright.
    """
    scores: NDArray[np.float32]
    """float32[n]: 0 to 1."""
    turns: NDArray[np.intp]
    """int[n]: number of quarter turns of the image in which the network found the face."""


class Detector:
    """The loaded network, once for each look: a change between sizes that differ much takes up to 7 ms."""

    def __init__(self) -> None:
        """Load the networks; raises WeightsError if their file is missing or wrong."""
        self.first: Final = Network(DETECTOR)
        self.second: Final = Network(DETECTOR)


def detect_faces(detector: Detector, image: Image.Image, quarter_turns: Sequence[int]) -> list[Detections]:
    """Find candidates for faces in an RGB image, the largest first.

    Args:
        detector: the loaded networks.
        image: upright, mode RGB.
        quarter_turns: the numbers of quarter turns, counter-clockwise, after which the network looks at the
            image: (0,) for upright faces, (0, 1, 2, 3) for faces that are turned too.

    Returns:
        One `Detections` per candidate. It has every detection of this candidate, the best score first.
    """
    looks = [_look_as_needed(detector, image, turns) for turns in quarter_turns]
    found = _joined(looks)
    faces = [_take(found, group) for group in group_overlaps(found.boxes, found.scores, MAX_IOU)]
    return sorted(faces, key=lambda face: np.prod(face.boxes[0, 2:] - face.boxes[0, :2]), reverse=True)


def sides(long_side: int) -> tuple[int, int]:
    """Give the long side of the input, in pixels, for the first and the second look at a photograph.

    >>> [sides(long) for long in (480, 850, 1280, 4000)]
    [(224, 512), (320, 640), (320, 800), (512, 1024)]
    """
    return next((first, second) for limit, first, second in THRESHOLDS.looks if long_side <= limit)


def _look_as_needed(detector: Detector, image: Image.Image, turns: int) -> Detections:
    first, second = sides(max(image.size))
    seen = look(detector.first, image, first, THRESHOLDS.seen, turns)
    if _has_small_face(seen, first / max(image.size)):
        seen = look(detector.second, image, second, THRESHOLDS.candidate, turns)
    return _take(seen, np.flatnonzero(seen.scores >= THRESHOLDS.candidate))


def _has_small_face(seen: Detections, ratio: float) -> bool:
    """Tell whether a face is small in the input; `ratio` is the input's side divided by the image's side."""
    short = (seen.boxes[:, 2:] - seen.boxes[:, :2]).min(axis=1, initial=np.inf) * ratio
    return bool((short < THRESHOLDS.small).any())


def look(network: Network, image: Image.Image, side: int, min_score: float, turns: int = 0) -> Detections:
    """Run the network once on the whole image, scaled and turned.

    Args:
        network: the loaded `weights.DETECTOR`.
        image: upright, mode RGB.
        side: long side of the scaled image, in pixels.
        min_score: detections with a lower score are dropped; 0 to 1.
        turns: number of quarter turns of the image, counter-clockwise.
    """
    size = _fitted(image.size, side)
    small = np.asarray(image.resize(size, Image.Resampling.BILINEAR, reducing_gap=1.0))
    (answer,) = network.run(_as_input(np.rot90(small, turns)))
    found = _decode(answer, min_score)
    scale = np.array([image.width / size[0], image.height / size[1]], np.float32)
    corners = unturn(found.boxes.reshape(-1, 2, 2), turns, size) * scale
    boxes = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)
    placed = Detections(
        boxes, unturn(found.points, turns, size) * scale, found.scores, np.full(len(boxes), turns, np.intp)
    )
    return _take(placed, suppress_overlaps(placed.boxes, placed.scores, MAX_IOU))


def _fitted(size: tuple[int, int], long_side: int) -> tuple[int, int]:
    ratio = long_side / max(size)
    return max(1, round(size[0] * ratio)), max(1, round(size[1] * ratio))


def _as_input(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Pad pixels with black to multiples of `_BLOCK`: uint8[h, w, 3] -> float32[h', w', 3]."""
    height, width, _ = pixels.shape
    filled = np.zeros((-(-height // _BLOCK) * _BLOCK, -(-width // _BLOCK) * _BLOCK, 3), np.float32)
    filled[:height, :width] = pixels
    return filled


def _decode(answer: NDArray[np.float32], min_score: float) -> Detections:
    """Decode the network's output: float32[h, w, 15].

    Channels of a cell: logit of the score, ln of height and width, offset of the centre, and five points as
    shares of the box. y comes before x in all of them.
    """
    row, column = np.nonzero(answer[..., 0] >= np.log(min_score / (1 - min_score)))
    cells = answer[row, column]
    size = np.exp(np.minimum(cells[:, 2:0:-1], _MAX_LOG)) * _STRIDE
    centre = (np.stack([column, row], axis=1) + cells[:, 4:2:-1] + np.float32(0.5)).astype(
        np.float32
    ) * _STRIDE
    low = centre - size / 2
    points = low[:, np.newaxis] + cells[:, 5:].reshape(-1, 5, 2)[..., ::-1] * size[:, np.newaxis]
    scores = np.float32(1) / (np.float32(1) + np.exp(-cells[:, 0]))
    boxes = np.concatenate([low, low + size], axis=1)
    return Detections(boxes, points, scores, np.zeros(len(low), np.intp))


def _joined(parts: Sequence[Detections]) -> Detections:
    boxes, points, scores = (np.concatenate([part[i] for part in parts]) for i in range(3))
    return Detections(boxes, points, scores, np.concatenate([part.turns for part in parts]))


def _take(found: Detections, chosen: NDArray[np.intp]) -> Detections:
    boxes, points, scores, turns = found
    return Detections(boxes[chosen], points[chosen], scores[chosen], turns[chosen])


def unturn(points: NDArray[np.float32], turns: int, size: tuple[int, int]) -> NDArray[np.float32]:
    """Convert points of `np.rot90(image, turns)` to points of the image: float32[..., 2] as x y."""
    for turn in reversed(range(turns)):
        width = size[turn % 2]  # width of the image before this turn
        points = np.stack([width - points[..., 1], points[..., 0]], axis=-1)
    return points
