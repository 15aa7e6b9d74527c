"""Compute the 21 landmarks of a face's contour, from eye level over the chin to eye level on the other side.

As the head turns, other vertices of the mesh form the visible contour. So the contour is computed as the
convex hull of all vertices that can be on it, below the line through the outer corners of the eyes (the eye
line).
"""

from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

_HALF: Final = 11
"""Number of landmarks from one end of the contour to the chin, including both."""


def face_contour(
    candidates: NDArray[np.float32], eye_corners: NDArray[np.float32], chin: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Give the contour from the left end of the eye line over the chin (index 10) to its right end.

    Shape: (float32[n, 2], float32[2, 2] left and right, float32[2]) -> float32[21, 2]

    The landmarks of each half have equal distances along the contour. If the eye line does not cross the
    hull, it is moved to the edge of the hull.
    """
    path = _below(convex_hull(candidates), eye_corners)
    middle = int(np.argmin(np.square(path - chin).sum(axis=1)))
    left, right = _resample(path[: middle + 1], _HALF), _resample(path[middle:], _HALF)
    return np.concatenate([left, right[1:]])


def convex_hull(points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give the hull's corners in order: float32[n, 2] -> float32[m, 2], by Andrew's monotone chain (1979).

    >>> convex_hull(np.float32([[0, 0], [2, 0], [1, 1], [2, 2], [0, 2]])).tolist()
    [[0.0, 0.0], [2.0, 0.0], [2.0, 2.0], [0.0, 2.0]]
    """
    ordered = sorted({(x, y) for x, y in points.tolist()})
    if len(ordered) <= 2:  # noqa: PLR2004 - a point or a line is its own hull
        return np.array(ordered, dtype=np.float32)
    return np.array(_chain(ordered)[:-1] + _chain(ordered[::-1])[:-1], dtype=np.float32)


def _chain(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Keep the points of one half of the hull: a path along them always turns to the same side."""
    chain: list[tuple[float, float]] = []
    for point in points:
        while len(chain) > 1 and _cross(chain[-2], chain[-1], point) <= 0:
            chain.pop()
        chain.append(point)
    return chain


def _cross(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def _below(hull: NDArray[np.float32], eye_corners: NDArray[np.float32]) -> NDArray[np.float32]:
    """Cut a hull at the eye line, and give the part below it as a path from left to right."""
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
    """Give the point at which an edge of the hull crosses the eye line (depth 0)."""
    share = depth / (depth - height) if depth != height else np.float32(0)
    return under + share * (over - under)


def _resample(path: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """Give `count` points in steps of equal length along a path, both ends included."""
    steps = [float(np.hypot(*(b - a))) for a, b in pairwise(path)]
    lengths = np.concatenate([[0.0], np.cumsum(steps)])
    wanted = np.linspace(0, lengths[-1], count)
    return np.stack([np.interp(wanted, lengths, path[:, axis]) for axis in (0, 1)], axis=1).astype(np.float32)
