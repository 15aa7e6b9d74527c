"""The 90 landmarks of a face: their names, their order, and their order in a mirrored image.

Source: the contract of `POST /face/analyze`. `left_*` is the left side of the image; y points down.
"""

from collections.abc import Iterator
from itertools import accumulate
from typing import Final

__all__ = ["LANDMARK_COUNT", "MIRROR", "OFFSETS", "REGIONS", "landmark_names", "region_slice"]

REGIONS: Final[dict[str, int]] = {
    "face_profile": 21,
    "left_eye": 8,
    "right_eye": 8,
    "left_eye_brow": 8,
    "right_eye_brow": 8,
    "mouth": 22,
    "nose": 13,
    "left_pupil": 1,
    "right_pupil": 1,
}
"""Region -> number of its landmarks, in the order of the 90 landmarks."""

LANDMARK_COUNT: Final = sum(REGIONS.values())

OFFSETS: Final[dict[str, int]] = dict(
    zip(REGIONS, accumulate(REGIONS.values(), initial=0), strict=False)  # the last sum is not an offset
)
"""Region -> index of its first landmark among the 90 landmarks."""


def landmark_names() -> list[str]:
    """Name the 90 landmarks in their order.

    >>> landmark_names()[0], landmark_names()[21], landmark_names()[89]
    ('face_profile_00', 'left_eye_00', 'right_pupil_00')
    """
    return [f"{region}_{index:02d}" for region, count in REGIONS.items() for index in range(count)]


def region_slice(region: str) -> slice:
    """Give the indices of a region among the 90 landmarks.

    >>> region_slice("left_eye")
    slice(21, 29, None)
    """
    return slice(OFFSETS[region], OFFSETS[region] + REGIONS[region])


def _mirrored(region: str) -> Iterator[int]:
    """Give, for each landmark of a region, the landmark that is at its place in the mirrored image."""
    offset = OFFSETS[region]
    match region:
        case "face_profile":
            yield from (offset + 20 - i for i in range(21))
        case "mouth":  # the outer ring 0-11 and the inner lips 12-16 and 17-21 are each mirrored on their own
            ring = [6, 5, 4, 3, 2, 1, 0, 11, 10, 9, 8, 7]
            yield from (offset + i for i in [*ring, *range(16, 11, -1), *range(21, 16, -1)])
        case "nose":  # tip and bridge are on the axis of the face
            yield from (offset + i for i in [0, 1, *range(12, 1, -1)])
        case _:
            side, rest = region.split("_", 1)
            twin = OFFSETS[f"{'right' if side == 'left' else 'left'}_{rest}"]
            yield from range(twin, twin + REGIONS[region])


MIRROR: Final[tuple[int, ...]] = tuple(index for region in REGIONS for index in _mirrored(region))
"""Order of the 90 landmarks after a left-right flip: `mirrored[i] = flipped[MIRROR[i]]`.

`MIRROR` is its own inverse."""
