"""Which of the 90 landmarks a drawing of a face joins by lines."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, pairwise
from typing import Final

from facebeam.schemas.landmarks import OFFSETS, REGIONS

_RINGS: Final = ("left_eye", "right_eye", "left_eye_brow", "right_eye_brow")
"""Regions that are closed lines: a line joins their last and their first landmark."""


def region_lines(region: str) -> list[Sequence[int]]:
    """Give the lines of a region, as indices among the 90 landmarks; a closed line ends with its first index.

    >>> region_lines("left_pupil"), region_lines("left_eye")
    ([[88]], [[21, 22, 23, 24, 25, 26, 27, 28, 21]])
    """
    return [[OFFSETS[region] + index for index in line] for line in _own_lines(region)]


def _own_lines(region: str) -> Iterator[Iterable[int]]:
    match region:
        case "mouth":  # the outer ring, then the edges of the two inner lips
            yield [*range(12), 0]
            yield range(12, 17)
            yield range(17, 22)
        case "nose":  # the bridge down to the tip, and the outline
            yield [1, 0]
            yield range(2, 13)
        case _ if region in _RINGS:
            yield [*range(REGIONS[region]), 0]
        case _:
            yield range(REGIONS[region])


SKELETON: Final[Sequence[tuple[int, int]]] = [
    *chain.from_iterable(pairwise(line) for region in REGIONS for line in region_lines(region))
]
"""Pairs of joined landmarks, as indices among the 90 landmarks, region by region."""
