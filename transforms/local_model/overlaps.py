"""Group boxes that show the same face, by their overlap."""

import numpy as np
from numpy.typing import NDArray


def group_overlaps(
    boxes: NDArray[np.float32], scores: NDArray[np.float32], max_iou: float
) -> list[NDArray[np.intp]]:
    """Group each box with the boxes of lower score that overlap it: greedy non-maximum suppression.

    Shape: (float32[n, 4] as x0 y0 x1 y1, float32[n]) -> indices of each group, best score first

    >>> boxes = np.float32([[0, 0, 2, 2], [0, 0, 2, 2.1], [5, 5, 6, 6]])
    >>> [group.tolist() for group in group_overlaps(boxes, np.float32([1, 2, 0]), 0.3)]
    [[1, 0], [2]]
    """
    order = np.argsort(-scores, kind="stable")
    groups: list[NDArray[np.intp]] = []
    while order.size:
        same = overlap(boxes[order[0]], boxes[order]) > max_iou
        same[0] = True  # a box without area overlaps nothing, not even itself
        groups.append(order[same])
        order = order[~same]
    return groups


def suppress_overlaps(
    boxes: NDArray[np.float32], scores: NDArray[np.float32], max_iou: float
) -> NDArray[np.intp]:
    """Give the index of the best box of each group, best score first."""
    return np.array([group[0] for group in group_overlaps(boxes, scores, max_iou)], dtype=np.intp)


def overlap(box: NDArray[np.float32], boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give the intersection over union of one box with each of several boxes.

    Shape: (float32[4], float32[n, 4]) -> float32[n] from 0 to 1; boxes without area overlap nothing
    """
    width_height = np.minimum(box[2:], boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2])
    shared = np.clip(width_height, 0, None).prod(axis=1)
    union = _area(box) + _area(boxes) - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def _area(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.prod(boxes[..., 2:] - boxes[..., :2], axis=-1, dtype=np.float32)
