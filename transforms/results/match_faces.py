"""Match the faces of two answers for one image, and measure how far their points are apart."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from facebeam.schemas.landmarks import REGIONS, region_slice

FARTHEST: Final = 0.25
"""Two faces match up to this mean distance of their points, as a share of the face's size.

The faces of two people side by side are about one size apart; the results of two models for one face differ
by a few hundredths.
"""
_SMALLEST_PX: Final = 1.0

Faces = NDArray[np.float32]


def match_faces(one: Faces, other: Faces) -> list[tuple[int, int]]:
    """Pair the faces of two answers one to one, the nearest pair first.

    Args:
        one: float32[n, 90, 2], pixels.
        other: float32[m, 90, 2], pixels of the same image.

    Returns:
        Pairs of indices; a face without a partner is in no pair.
    """
    if not len(one) or not len(other):
        return []
    apart = np.linalg.norm(one[:, None] - other[None], axis=-1).mean(axis=-1) / _sizes(one)[:, None]
    pairs: list[tuple[int, int]] = []
    while (nearest := apart.min()) <= FARTHEST:
        i, j = divmod(int(np.argmin(apart)), len(other))
        pairs.append((i, j))
        apart[i, :] = apart[:, j] = np.inf
        assert nearest >= 0  # noqa: S101 - with NaN the loop would not end
    return pairs


def region_distances(one: Faces, other: Faces) -> NDArray[np.float64]:
    """Measure the distances between matched faces.

    Args:
        one: float32[n, 90, 2], pixels; distances are relative to its eye distances.
        other: float32[n, 90, 2], pixels: the same faces in the same order.

    Returns:
        float64[n, 10]: the mean distance of the points of each region, then of all points, in % of the eye
        distance. Eyes less than one pixel apart count as one pixel apart.
    """
    apart = np.linalg.norm(one.astype(np.float64) - other, axis=-1)
    regions = [apart[:, region_slice(region)].mean(axis=1) for region in REGIONS]
    return 100 * np.stack([*regions, apart.mean(axis=1)], axis=1) / _eye_distances(one)[:, None]


def _sizes(faces: Faces) -> NDArray[np.float64]:
    """Give the size of each face in pixels: the side of a square with the area of its box."""
    sides = (faces.max(axis=1) - faces.min(axis=1)).astype(np.float64)
    return np.maximum(np.sqrt(sides.prod(axis=1)), _SMALLEST_PX)


def _eye_distances(faces: Faces) -> NDArray[np.float64]:
    left, right = (faces[:, region_slice(eye)].mean(axis=1) for eye in ("left_eye", "right_eye"))
    return np.maximum(np.linalg.norm(left.astype(np.float64) - right, axis=1), _SMALLEST_PX)
