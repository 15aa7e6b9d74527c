"""Turn a photograph upright by its EXIF orientation, 1 to 8 (EXIF 2.32, tag 0x0112)."""

from typing import Final

from PIL import Image

_TURNS: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDEWAYS: Final = frozenset({5, 6, 7, 8})


def turn_upright(image: Image.Image, orientation: int) -> Image.Image:
    """Turn the stored pixels of an image upright; an orientation outside 1 to 8 changes nothing."""
    turn = _TURNS.get(orientation)
    return image if turn is None else image.transpose(turn)


def upright_size(width: int, height: int, orientation: int) -> tuple[int, int]:
    """Give width and height of the upright image, from the stored width and height.

    >>> upright_size(4000, 3000, 6)
    (3000, 4000)
    """
    return (height, width) if orientation in _SIDEWAYS else (width, height)
