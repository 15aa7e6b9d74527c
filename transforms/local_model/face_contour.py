"""The 21 landmarks of a face's contour: eye level, cheek, jaw, chin and up again.

A mesh has no fixed vertices on the visible contour, which wanders over it as the head turns. So the contour
is the convex hull of the vertices that can lie on it, below the line through the eyes' outer corners.
"""

from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

_HALF: Final = 11
"""Landmarks from either end to the chin, both counted."""


def face_contour(
    candidates: NDArray[np.float32], eye_corners: NDArray[np.float32], chin: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Draw the contour from the left end of the eye line over the chin (10) to its right end.

    Shape: (float32[n, 2], float32[2, 2] left and right, float32[2]) -> float32[21, 2]

    Either half has steps of equal length. An eye line that misses the hull is moved to its edge.
    """
    path = _below(convex_hull(candidates), eye_corners)
    middle = int(np.argmin(np.square(path - chin).sum(axis=1)))
    left, right = _resample(path[: middle + 1], _HALF), _resample(path[middle:], _HALF)
    return np.concatenate([left, right[1:]])


def convex_hull(points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give the hull's corners in turn: float32[n, 2] -> float32[m, 2], by Andrew's monotone chain (1979).

    >>> convex_hull(np.float32([[0, 0], [2, 0], [1, 1], [2, 2], [0, 2]])).tolist()
    [[0.0, 0.0], [2.0, 0.0], [2.0, 2.0], [0.0, 2.0]]
    """
    ordered = sorted({(x, y) for x, y in points.tolist()})
    if len(ordered) <= 2:  # noqa: PLR2004 - a point or a line is its own hull
        return np.array(ordered, dtype=np.float32)
    return np.array(_chain(ordered)[:-1] + _chain(ordered[::-1])[:-1], dtype=np.float32)


def _chain(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Keep the points at which a walk along them turns the same way every time."""
    chain: list[tuple[float, float]] = []
    for point in points:
        while len(chain) > 1 and _cross(chain[-2], chain[-1], point) <= 0:
            chain.pop()
        chain.append(point)
    return chain


def _cross(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def _below(hull: NDArray[np.float32], eye_corners: NDArray[np.float32]) -> NDArray[np.float32]:
    """Cut a hull with the eye line and walk along what lies below it, from left to right."""
    left, right = eye_corners
    across = right - left
    depths = across[0] * (hull[:, 1] - left[1]) - across[1] * (hull[:, 0] - left[0])
    depths -= np.clip(0, depths.min(), depths.max())
    top = int(np.argmin(depths))
    ring, depths = np.roll(hull, -top, axis=0), np.roll(depths, -top)
    under = np.flatnonzero(depths >= 0)
    first, last = int(under[0]), int(under[-1])
    after = (last + 1) % len(ring)
    start = _crossing(ring[first], ring[first - 1], depths[first], depths[first - 1])
    end = _crossing(ring[last], ring[after], depths[last], depths[after])
    path = np.vstack([start, ring[first : last + 1], end])
    return path if (end - start) @ across >= 0 else path[::-1]


def _crossing(
    under: NDArray[np.float32], over: NDArray[np.float32], depth: np.float32, height: np.float32
) -> NDArray[np.float32]:
    """Give the point of an edge at depth 0."""
    share = depth / (depth - height) if depth != height else np.float32(0)
    return under + share * (over - under)


def _resample(path: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """Give `count` points in steps of equal length along a path, both ends included."""
    steps = [float(np.hypot(*(b - a))) for a, b in pairwise(path)]
    lengths = np.concatenate([[0.0], np.cumsum(steps)])
    wanted = np.linspace(0, lengths[-1], count)
    return np.stack([np.interp(wanted, lengths, path[:, axis]) for axis in (0, 1)], axis=1).astype(np.float32)
