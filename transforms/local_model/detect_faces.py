"""Where the faces are: BlazeFace full-range over a pyramid of tiles.

Source of the network's geometry: MediaPipe's `face_detection_full_range` graph (Apache-2.0).
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from facebeam.transforms.local_model.network import Network
from facebeam.transforms.local_model.overlaps import group_overlaps, suppress_overlaps
from facebeam.transforms.local_model.tile_pyramid import Tile, levels_for, tile_pyramid

_MIN_LOGIT: Final = np.float32(np.log(0.4 / 0.6))
"""A face scores at least 0.4."""
_MAX_IOU: Final = 0.3
_STRIDE: Final = 4
"""One anchor in the middle of every 4 x 4 pixels; boxes and points are offsets from it in pixels."""


class Detections(NamedTuple):
    """Faces found, in pixels of the image."""

    boxes: NDArray[np.float32]
    """float32[n, 4] as x0 y0 x1 y1."""
    eyes: NDArray[np.float32]
    """float32[n, 2, 2]: the eye at the image's left in the face's own upright frame, then the other; x y."""
    scores: NDArray[np.float32]
    """float32[n]: logits."""


def detect_faces(network: Network, image: Image.Image, quarter_turns: Sequence[int]) -> list[Detections]:
    """Find the faces of an RGB image, the largest first: for each its detections, the best first.

    A face has at most one detection a turn. The best one can be wrong, since the network is at
    times sure of a face turned by 90 degrees whose eyes it guesses badly.

    Args:
        network: the loaded `weights.DETECTOR`.
        image: upright, mode RGB.
        quarter_turns: how the image is turned for a look: (0,) for upright faces, (0, 1, 2, 3) for all.
    """
    tiles = list(tile_pyramid(image, network.side, levels_for(max(image.size))))
    found = _joined([_look(network, tiles, turns) for turns in quarter_turns])
    faces = [_take(found, group) for group in group_overlaps(found.boxes, found.scores, _MAX_IOU)]
    return sorted(faces, key=lambda face: np.prod(face.boxes[0, 2:] - face.boxes[0, :2]), reverse=True)


def _look(network: Network, tiles: Sequence[Tile], turns: int) -> Detections:
    """Look at all tiles, turned: the best detection of each face."""
    seen = [_look_at(network, tile, turns) for tile in tiles]
    found = _joined(seen)
    return _take(found, suppress_overlaps(found.boxes, found.scores, _MAX_IOU))


def _look_at(network: Network, tile: Tile, turns: int) -> Detections:
    regressors, scores = network.run(_turned(tile, turns))
    return _place(_decode(regressors, scores[:, 0], network.side), tile, turns)


def _turned(tile: Tile, turns: int) -> NDArray[np.float32]:
    """Give a tile as the network takes it: -1 is black, 1 is white."""
    return np.rot90(tile.pixels, turns) * np.float32(1 / 127.5) - np.float32(1)


def _decode(regressors: NDArray[np.float32], logits: NDArray[np.float32], side: int) -> Detections:
    """Read the answer: (float32[n, 16], float32[n]) -> what scores enough, in the tile's pixels."""
    chosen = np.flatnonzero(logits >= _MIN_LOGIT)
    row, column = np.divmod(chosen, side // _STRIDE)
    anchors = (np.stack([column, row], axis=1).astype(np.float32) + np.float32(0.5)) * _STRIDE
    points = regressors[chosen].reshape(-1, 8, 2)  # centre, size, right eye, left eye, nose, mouth, two ears
    centres, half_sizes = anchors + points[:, 0], points[:, 1] / 2
    boxes = np.concatenate([centres - half_sizes, centres + half_sizes], axis=1)
    return Detections(boxes, anchors[:, np.newaxis] + points[:, 2:4], logits[chosen])


def _place(found: Detections, tile: Tile, turns: int) -> Detections:
    """Bring a turned tile's detections into the image, without those that an inner border cuts."""
    side = tile.pixels.shape[0]
    corners = unturn(found.boxes.reshape(-1, 2, 2), turns, side)
    boxes = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)
    whole = np.flatnonzero(~is_cut(boxes, tile.inner, side))
    eyes = (unturn(found.eyes, turns, side) + tile.origin) * tile.scale
    placed = (boxes + np.tile(tile.origin, 2)) * np.tile(tile.scale, 2)
    return _take(Detections(placed, eyes, found.scores), whole)


def is_cut(boxes: NDArray[np.float32], inner: NDArray[np.bool_], side: int) -> NDArray[np.bool_]:
    """Tell which boxes touch an inner border of their tile: another tile shows that face whole.

    Shape: (float32[n, 4] in the tile's pixels, bool[4] as x0 y0 x1 y1) -> bool[n]
    """
    touched: NDArray[np.bool_] = np.concatenate([boxes[:, :2] <= 0, boxes[:, 2:] >= side], axis=1) & inner
    return np.logical_or.reduce(touched, axis=1)


def _joined(parts: Sequence[Detections]) -> Detections:
    boxes, eyes, scores = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return Detections(boxes, eyes, scores)


def _take(found: Detections, chosen: NDArray[np.intp]) -> Detections:
    boxes, eyes, scores = (array[chosen] for array in found)
    return Detections(boxes, eyes, scores)


def unturn(points: NDArray[np.float32], turns: int, side: int) -> NDArray[np.float32]:
    """Give points of `np.rot90(square, turns)` in the square's own frame: float32[..., 2] as x y."""
    for _ in range(turns):
        points = np.stack([side - points[..., 1], points[..., 0]], axis=-1)
    return points
