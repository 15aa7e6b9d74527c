"""Load a JPEG that has no end marker, if no pixels are missing.

The JPEG is decoded twice, with different bytes after its last byte. If both images are equal, the decoder did
not need these bytes, so no pixels are missing.
"""

from collections.abc import Callable
from typing import Final

from PIL import Image, ImageChops

_END: Final = b"\xff\xd9"
_NOISE: Final = bytes(range(254, -1, -1)) * 4
"""Bytes that the decoder reads as pixels if pixels are missing, and skips if none are missing."""


def load_cut_jpeg(data: bytes, load: Callable[[bytes], Image.Image]) -> Image.Image:
    """Load a JPEG that ends early.

    Args:
        data: the JPEG, in which the decoder found no end marker.
        load: a function that opens and loads a JPEG.

    Raises:
        OSError: pixels are missing, not only the end marker.
    """
    begun = data.rstrip(b"\xff")  # a last 0xff and the first byte after it would form a marker
    image = load(begun + _END)
    if ImageChops.difference(image, load(begun + _NOISE + _END)).getbbox() is not None:
        raise OSError("image file is truncated: pixels are missing")
    return image
