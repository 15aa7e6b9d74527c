"""Image bytes to upright RGB pixels, or the failure that says why not: every guard stands before its danger.

Formats are a closed list: Pillow would even hand a file to Ghostscript because its first bytes ask for it. A
large image is shrunk once loaded, one at a time in a process, so that two workers stay under 1 GB together.
"""

import io
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, UnidentifiedImageError, _imaging

from facebeam.schemas.errors import ErrorCode
from facebeam.schemas.values import Failure, FailureError
from facebeam.transforms.local_model.cut_jpeg import load_cut_jpeg
from facebeam.transforms.local_model.exif_orientation import turn_upright, upright_size
from facebeam.transforms.local_model.png_chunks import without_texts
from facebeam.transforms.local_model.rgb_on_white import READABLE_MODES, rgb_on_white

__all__ = ["DecodedImage", "decode_image", "from_pixels"]

MAX_BYTES: Final = 64 * 2**20
MAX_PIXELS: Final = 50_000_000
SHRINK_FROM: Final = 4096
"""Pixels of the long side from which an image is halved, until it is shorter."""

_FORMATS: Final = ("JPEG", "PNG", "WEBP", "GIF", "AVIF", "BMP", "TIFF")
_TWICE_THE_MEMORY: Final = frozenset({"WEBP", "AVIF"})
"""Their decoders keep the frame several times over: 21 bytes a pixel with two workers, the others 12."""
_LARGE_IMAGE: Final = threading.Lock()
"""Held while an image of a third of its limit or more is decoded."""

_BROKEN: Final = (
    OSError,  # also UnidentifiedImageError
    ValueError,
    SyntaxError,
    RuntimeError,  # libavif; also NotImplementedError
    struct.error,
    zlib.error,
    EOFError,
    IndexError,
    KeyError,
    TypeError,
    OverflowError,
)
"""What broken files make Pillow raise: the first four of 500,000 mutated files, the others by its code."""

# What Pillow would say about a strange file is said in the failure, or does not matter.
warnings.filterwarnings("ignore", module=r"PIL\.")
Image.init()  # loading plugins lazily is not safe in several threads
# Blocks of over 32 MB go back to the system when freed; Pillow's own of 16 MB stay in the heap of each thread
# that ever decoded a large image: 2.7 GB after a dozen of 49 megapixels.
_imaging.set_block_size(64 * 2**20)


@dataclass(frozen=True, slots=True)
class DecodedImage:
    """An upright image: its pixels, perhaps shrunk, and its own size."""

    pixels: Image.Image
    """Mode RGB."""
    width: int
    """Pixels of the upright original."""
    height: int
    shrunk_by: int
    """Pixels of the original in one of `pixels`, along each axis: 1, 2, 4, ..."""


def decode_image(data: bytes) -> DecodedImage:
    """Decode the first frame of an image, turned upright, on white where it is transparent.

    Raises:
        FailureError: `image_empty`, `image_undecodable`, or `image_too_large`: over 64 MiB or 50 megapixels
            (WebP and AVIF 25).
    """
    if not data:
        raise _rejected(ErrorCode.IMAGE_EMPTY, "the image has zero bytes; check what its URL serves")
    if len(data) > MAX_BYTES:
        raise _rejected(
            ErrorCode.IMAGE_TOO_LARGE, f"{len(data)} bytes are over {MAX_BYTES}; shrink the image"
        )
    with _parsing(data):
        image = _open(without_texts(data))
    pixels = image.width * image.height
    limit = MAX_PIXELS // (2 if image.format in _TWICE_THE_MEMORY else 1)
    if pixels > limit:
        size = f"{image.width} x {image.height} {image.format} pixels"
        raise _rejected(ErrorCode.IMAGE_TOO_LARGE, f"{size} are over {limit}; shrink the image")
    with image, _LARGE_IMAGE if pixels * 3 >= limit else nullcontext():
        with _parsing(data):
            raw = _load(image, data)
        return _upright(raw)


def from_pixels(pixels: Image.Image | NDArray[np.uint8]) -> DecodedImage:
    """Take pixels that are decoded already.

    Args:
        pixels: an image of PIL, which is turned upright as its EXIF says; or uint8[height, width, 3], RGB.

    Raises:
        ValueError: the array has another shape or type, or the image has no pixels.
    """
    if isinstance(pixels, np.ndarray):
        if pixels.dtype != np.uint8 or pixels.shape[2:] != (3,):
            raise ValueError(f"pixels are uint8[height, width, 3], not {pixels.dtype}{list(pixels.shape)}")
        pixels = Image.fromarray(pixels)
    if not all(pixels.size):
        raise ValueError(f"an image of {pixels.width} x {pixels.height} has no pixels")
    return _upright(_RawImage(pixels, *pixels.size, 1, _orientation(pixels)))


class _RawImage(NamedTuple):
    """A loaded image as its file has it: mode and orientation may be any."""

    image: Image.Image
    width: int
    height: int
    loaded_by: int
    orientation: int


def _open(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data), formats=_FORMATS)


def _load(image: Image.Image, data: bytes) -> _RawImage:
    """Load the pixels, a large JPEG's at a half, a quarter or an eighth of its size."""
    width, height = image.size
    drafted = _draft(image)
    try:
        image.load()
    except OSError:
        if drafted is None:
            raise
        image = load_cut_jpeg(data, _load_draft)
    orientation = _orientation(image)
    if image.mode not in READABLE_MODES:
        raise NotImplementedError(f"pixels of mode {image.mode} are not supported")
    if drafted is None:  # a TIFF turns itself upright in load()
        return _RawImage(image, *image.size, 1, orientation)
    return _RawImage(image, width, height, round(width / drafted[1][2]), orientation)


def _draft(image: Image.Image) -> tuple[str, tuple[int, int, float, float]] | None:
    """Ask a JPEG's decoder for fewer pixels; None where the format knows no draft."""
    width, height = image.size
    factor = _shrink_factor(max(image.size))
    return image.draft(None, (max(1, width // factor), max(1, height // factor)))


def _load_draft(jpeg: bytes) -> Image.Image:
    image = _open(jpeg)
    _draft(image)
    image.load()
    return image


def _orientation(image: Image.Image) -> int:
    """Read how the image is turned; damaged metadata does not cost the picture."""
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except _BROKEN:
        return 1


def _upright(raw: _RawImage) -> DecodedImage:
    factor = _shrink_factor(max(raw.width, raw.height))
    pixels = rgb_on_white(raw.image, factor // raw.loaded_by)
    width, height = upright_size(raw.width, raw.height, raw.orientation)
    return DecodedImage(turn_upright(pixels, raw.orientation), width, height, factor)


def _shrink_factor(long_side: int) -> int:
    """Give the power of two that brings a long side below `SHRINK_FROM`."""
    factor = 1
    while long_side // factor >= SHRINK_FROM:
        factor *= 2
    return factor


@contextmanager
def _parsing(data: bytes) -> Iterator[None]:
    """Translate what Pillow's parsers raise into a failure; only they may stand within."""
    try:
        yield
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _rejected(ErrorCode.IMAGE_TOO_LARGE, f"over {MAX_PIXELS} pixels: {error}") from error
    except _BROKEN as error:
        reason = "" if isinstance(error, UnidentifiedImageError) else f" ({error})"
        message = (
            f"the {len(data)} bytes beginning with {data[:16]!r} are no whole image{reason}; "
            f"check what the URL serves, or convert it to one of {', '.join(_FORMATS)}"
        )
        raise _rejected(ErrorCode.IMAGE_UNDECODABLE, message) from error


def _rejected(code: ErrorCode, message: str) -> FailureError:
    return FailureError(Failure(code, message, stage="decode"))
