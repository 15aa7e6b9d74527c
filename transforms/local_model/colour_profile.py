"""Colours as an image's ICC profile means them, where that changes what is seen."""

import io
from collections.abc import Callable
from functools import lru_cache
from typing import Final

import numpy as np
from PIL import Image, ImageCms

MEAN_CHANGE: Final = 12
"""Levels of 255 by which a profile must move colours in the mean to be applied. Display P3 and Adobe RGB move
them by 9: faces look a little pale without it, and 60 ns per pixel would double the time of a photograph.
ProPhoto moves them by 21, XYB and the inks of CMYK by more."""

_SRGB: Final = ImageCms.createProfile("sRGB")
_MODES: Final = {"RGB ": "RGB", "CMYK": "CMYK", "GRAY": "L"}
"""The colour space of a profile -> the mode of the pixels that it describes."""

Conversion = Callable[[Image.Image], Image.Image]
"""Pixels of an image, or a part of them, to mode RGB. Transparency is dropped."""


def conversion_of(image: Image.Image) -> Conversion:
    """Give the conversion of an image's pixels to sRGB; an unreadable profile is ignored, as browsers do."""
    profile = image.info.get("icc_profile")
    found = _conversion(profile, _mode_of(image)) if isinstance(profile, bytes) else None
    return found or without_profile


def without_profile(pixels: Image.Image) -> Image.Image:
    """Give the pixels' own numbers as RGB."""
    return pixels.convert("RGB")


def _mode_of(image: Image.Image) -> str:
    return {"CMYK": "CMYK", "1": "L", "L": "L", "LA": "L"}.get(image.mode, "RGB")


@lru_cache(maxsize=32)
def _conversion(profile: bytes, mode: str) -> Conversion | None:
    """Build what a profile asks for; None where it changes little, is damaged, or describes other pixels."""
    try:
        described = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if _MODES.get(described.profile.xcolor_space) != mode:
            return None
        transform = ImageCms.buildTransform(described, _SRGB, mode, "RGB")
    except (ImageCms.PyCMSError, OSError):
        return None

    def convert(pixels: Image.Image) -> Image.Image:
        return transform.apply(pixels.convert(mode))

    colours = _sample(mode)
    change = np.asarray(convert(colours), np.int16) - np.asarray(without_profile(colours), np.int16)
    return convert if np.abs(change).mean() > MEAN_CHANGE else None


def _sample(mode: str) -> Image.Image:
    """Give colours from all over a space, six levels in each channel: [6**channels, 1] pixels."""
    channels = Image.getmodebands(mode)
    levels = np.indices((6,) * channels, np.uint8).reshape(channels, -1).T * 51
    return Image.frombytes(mode, (len(levels), 1), levels.astype(np.uint8).tobytes())
