"""Convert pixels of any mode to sRGB on a white background, and shrink them.

The conversion works on bands of rows. Otherwise memory would hold four copies of an image; one copy of a
50-megapixel RGBA image takes 200 MB.
"""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from facebeam.transforms.local_model.colour_profile import Conversion, conversion_of, without_profile

DEEP_GREY_MODES: Final = frozenset({"I", "F", "I;16", "I;16B", "I;16L"})
"""Modes of grey with more than 8 bits: `convert("RGB")` would make such images white, without an error."""
READABLE_MODES: Final = DEEP_GREY_MODES | {
    *("1", "L", "LA", "P", "PA"),
    *("RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "HSV"),
}

_BAND_PIXELS: Final = 1_000_000


def rgb_on_white(image: Image.Image, shrink_by: int = 1) -> Image.Image:
    """Give a loaded image as RGB on white; each pixel is the mean of `shrink_by` x `shrink_by` pixels.

    Shape: (any of READABLE_MODES, [w, h]) -> (RGB, [ceil(w / shrink_by), ceil(h / shrink_by)])
    """
    to_rgb = conversion_of(image)
    is_done = image.mode == "RGB" and to_rgb is without_profile and not image.has_transparency_data
    if is_done and shrink_by == 1:
        return image
    grey_range = _grey_range(image)
    canvas = Image.new("RGB", (math.ceil(image.width / shrink_by), math.ceil(image.height / shrink_by)))
    rows = max(1, _BAND_PIXELS // image.width // shrink_by) * shrink_by
    for top in range(0, image.height, rows):
        band = image.crop((0, top, image.width, min(top + rows, image.height)))
        canvas.paste(_flatten(band, grey_range, to_rgb).reduce(shrink_by), (0, top // shrink_by))
    return canvas


def _flatten(band: Image.Image, grey_range: tuple[float, float], to_rgb: Conversion) -> Image.Image:
    if band.mode in DEEP_GREY_MODES:
        return Image.fromarray(_grey8(band, grey_range)).convert("RGB")
    if not band.has_transparency_data:
        return to_rgb(band)
    visible = band.convert("RGBA")
    white = Image.new("RGB", band.size, "white")
    white.paste(to_rgb(visible), mask=visible)
    return white


def _grey_range(image: Image.Image) -> tuple[float, float]:
    """Give the greys that become black and white: 0 and 65535 for 16 bits, else the image's extremes."""
    if image.mode not in {"I", "F"}:
        return 0.0, 65535.0
    extremes = np.ravel(image.getextrema()).astype(np.float64)
    low, high = extremes if np.isfinite(extremes).all() else (0.0, 1.0)
    return float(low), float(high)


def _grey8(band: Image.Image, grey_range: tuple[float, float]) -> NDArray[np.uint8]:
    low, high = grey_range
    levels = np.asarray(band)
    scaled = np.nan_to_num((levels - np.float32(low)) * np.float32(255.0 / ((high - low) or 1.0)))
    grey = np.clip(scaled, 0, 255).astype(np.uint8)
    transparent = band.info.get("transparency")  # the one grey that a PNG declares as transparent
    if isinstance(transparent, int):
        grey[levels == transparent] = 255
    return grey
