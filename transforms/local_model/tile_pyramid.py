"""The image as square tiles of several sizes, so that small faces fill enough of a detector's input.

Level g shows the long side L in g tiles of side L / (g - 0.25 (g - 1)), which overlap by a quarter.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_OVERLAP: Final = 0.25
_LEVELS_UP_TO: Final = ((480, 1), (850, 2))


@dataclass(frozen=True, slots=True, eq=False)
class Tile:
    """A square cut out of an image at one scale."""

    pixels: NDArray[np.uint8]
    """uint8[side, side, 3]; black where the image ends."""
    origin: NDArray[np.float32]
    """x, y of the tile's corner, in the level's pixels."""
    scale: NDArray[np.float32]
    """Pixels of the image in one pixel of the level, along x and y."""
    inner: NDArray[np.bool_]
    """Which borders (x0, y0, x1, y1) have more image behind them."""


def levels_for(long_side: int) -> int:
    """Give the levels that find faces of 34 pixels, the API's floor, or 3% of the long side.

    >>> [levels_for(side) for side in (480, 850, 4000)]
    [1, 2, 3]
    """
    return next((levels for limit, levels in _LEVELS_UP_TO if long_side <= limit), 3)


def tile_pyramid(image: Image.Image, side: int, levels: int) -> Iterator[Tile]:
    """Cut an RGB image into tiles of `side` pixels, level by level; level 1 is the whole image in one.

    Each level is shrunk from the next larger one: only the largest has to go through all of the image.
    """
    shown, pyramid = image, []
    for level in range(levels, 0, -1):
        long_side = round(side * (level - _OVERLAP * (level - 1)))
        shown = shown.resize(_fitted(image.size, long_side), Image.Resampling.BILINEAR, reducing_gap=2.0)
        pyramid.append(shown)
    for shown in reversed(pyramid):
        yield from _tiles(shown, image.size, side)


def _fitted(size: tuple[int, int], long_side: int) -> tuple[int, int]:
    ratio = long_side / max(size)
    return max(1, round(size[0] * ratio)), max(1, round(size[1] * ratio))


def _tiles(shown: Image.Image, whole: tuple[int, int], side: int) -> Iterator[Tile]:
    level, size = np.asarray(shown), shown.size
    scale = np.array([whole[0] / size[0], whole[1] / size[1]], dtype=np.float32)
    for y in _offsets(size[1], side):
        for x in _offsets(size[0], side):
            inner = np.array([x > 0, y > 0, x + side < size[0], y + side < size[1]])
            pixels = _padded(level[y : y + side, x : x + side], side)
            yield Tile(pixels, np.array([x, y], dtype=np.float32), scale, inner)


def _offsets(length: int, side: int) -> list[int]:
    """Spread as few tiles as cover a length with the overlap evenly over it.

    >>> _offsets(100, 192), _offsets(336, 192), _offsets(480, 192)
    ([0], [0, 144], [0, 144, 288])
    """
    count = max(1, math.ceil((length - _OVERLAP * side) / ((1 - _OVERLAP) * side)))
    return [round(i * (length - side) / (count - 1)) for i in range(count)] if count > 1 else [0]


def _padded(pixels: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    height, width, _ = pixels.shape
    return np.pad(pixels, ((0, side - height), (0, side - width), (0, 0)))
