"""Convert an image's colours to sRGB by its ICC profile, if the profile changes them visibly."""

import io
from collections.abc import Callable
from functools import lru_cache
from typing import Final

import numpy as np
from PIL import Image, ImageCms

MEAN_CHANGE: Final = 12
"""A profile is applied if it changes colours by more than this on average, in levels of 255.

Display P3 and Adobe RGB change them by 9, so they are ignored. Faces then look a little pale, but a
conversion takes 60 ns per pixel, which would double the time per photograph. ProPhoto changes colours by 21;
XYB and CMYK inks change them by more."""

_SRGB: Final = ImageCms.createProfile("sRGB")
_MODES: Final = {"RGB ": "RGB", "CMYK": "CMYK", "GRAY": "L"}
"""Colour space of a profile -> mode of the pixels that the profile describes."""

Conversion = Callable[[Image.Image], Image.Image]
"""A function that converts an image, or a part of it, to mode RGB. It drops transparency."""


def conversion_of(image: Image.Image) -> Conversion:
    """Give the conversion of an image's pixels to sRGB; an unreadable profile is ignored, as browsers do."""
    profile = image.info.get("icc_profile")
    found = _conversion(profile, _mode_of(image)) if isinstance(profile, bytes) else None
    return found or without_profile


def without_profile(pixels: Image.Image) -> Image.Image:
    """Convert pixels to RGB without a colour profile."""
    return pixels.convert("RGB")


def _mode_of(image: Image.Image) -> str:
    return {"CMYK": "CMYK", "1": "L", "L": "L", "LA": "L"}.get(image.mode, "RGB")


@lru_cache(maxsize=32)
def _conversion(profile: bytes, mode: str) -> Conversion | None:
    """Build the conversion for a profile; None if it changes little, is damaged, or is for another mode."""
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
    """Give sample colours of a mode, with six levels per channel: an image of [6**channels, 1] pixels."""
    channels = Image.getmodebands(mode)
    levels = np.indices((6,) * channels, np.uint8).reshape(channels, -1).T * 51
    return Image.frombytes(mode, (len(levels), 1), levels.astype(np.uint8).tobytes())
