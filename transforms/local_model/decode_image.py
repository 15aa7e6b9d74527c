"""Decode image bytes to upright RGB pixels, or raise a failure that says why they cannot be decoded.

Each limit is checked before the step that it protects. Only a fixed list of formats is opened: without the
list, Pillow would start Ghostscript for a file whose first bytes look like PostScript. Each process decodes
only one large image at a time and then shrinks it, so that two workers together need less than 1 GB.
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
"""An image whose long side has at least this many pixels is halved until it is shorter."""

_FORMATS: Final = ("JPEG", "PNG", "WEBP", "GIF", "AVIF", "BMP", "TIFF")
_TWICE_THE_MEMORY: Final = frozenset({"WEBP", "AVIF"})
"""Formats whose decoders hold several copies of the frame.

They need 21 bytes per pixel with two workers, the other formats need 12. So their pixel limit is half of
`MAX_PIXELS`."""
_LARGE_IMAGE: Final = threading.Lock()
"""A thread holds this lock while it decodes an image with at least a third of the pixel limit."""

_BROKEN: Final = (
    OSError,  # includes UnidentifiedImageError
    ValueError,
    SyntaxError,
    RuntimeError,  # from libavif; includes NotImplementedError
    struct.error,
    zlib.error,
    EOFError,
    IndexError,
    KeyError,
    TypeError,
    OverflowError,
)
"""Exceptions that Pillow raises for broken files.

500,000 mutated files raised the first four. Pillow's code can also raise the others."""

# Ignore Pillow's warnings about strange files: either the failure says the same, or they do not matter.
warnings.filterwarnings("ignore", module=r"PIL\.")
Image.init()  # loading plugins lazily is not safe in several threads
# The allocator returns freed blocks of over 32 MB to the system. Pillow's default blocks of 16 MB stay in the
# heap of each thread that has decoded a large image: 2.7 GB after twelve images of 49 megapixels.
_imaging.set_block_size(64 * 2**20)


@dataclass(frozen=True, slots=True)
class DecodedImage:
    """An upright image: its pixels, which may be shrunk, and the size of the original."""

    pixels: Image.Image
    """Mode RGB."""
    width: int
    """Width of the upright original, in pixels."""
    height: int
    """Height of the upright original, in pixels."""
    shrunk_by: int
    """How many pixels of the original one pixel of `pixels` covers along each axis: 1, 2, 4, ..."""


def decode_image(data: bytes) -> DecodedImage:
    """Decode the first frame of an image, turn it upright, and make its transparent parts white.

    Raises:
        FailureError: `image_empty`, `image_undecodable`, or `image_too_large`: over 64 MiB or 50 megapixels
            (25 for WebP and AVIF).
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
    """Make a DecodedImage from pixels that are decoded already.

    Args:
        pixels: a PIL image, which is turned upright by its EXIF orientation; or uint8[height, width, 3], RGB.

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
    """A loaded image with the mode and the orientation of its file."""

    image: Image.Image
    width: int
    """Width of the whole image as stored, in pixels, before it is turned or shrunk."""
    height: int
    loaded_by: int
    """Factor by which the JPEG decoder has shrunk the image while loading it: 1, 2, 4 or 8."""
    orientation: int


def _open(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data), formats=_FORMATS)


def _load(image: Image.Image, data: bytes) -> _RawImage:
    """Load the pixels; a large JPEG is loaded at a half, a quarter or an eighth of its size."""
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
    if drafted is None:  # load() turns a TIFF upright, so its size may have changed
        return _RawImage(image, *image.size, 1, orientation)
    return _RawImage(image, width, height, round(width / drafted[1][2]), orientation)


def _draft(image: Image.Image) -> tuple[str, tuple[int, int, float, float]] | None:
    """Ask a JPEG's decoder for fewer pixels; None if the format or the file does not support this."""
    width, height = image.size
    factor = _shrink_factor(max(image.size))
    return image.draft(None, (max(1, width // factor), max(1, height // factor)))


def _load_draft(jpeg: bytes) -> Image.Image:
    image = _open(jpeg)
    _draft(image)
    image.load()
    return image


def _orientation(image: Image.Image) -> int:
    """Read the EXIF orientation; 1 (upright) if there is none or the metadata is damaged."""
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
    """Give the smallest power of two that brings a long side below `SHRINK_FROM`."""
    factor = 1
    while long_side // factor >= SHRINK_FROM:
        factor *= 2
    return factor


@contextmanager
def _parsing(data: bytes) -> Iterator[None]:
    """Translate exceptions of Pillow's parsers in the block into FailureError.

    Put only calls of Pillow into the block: exceptions of other code would be reported as broken images.
    """
    try:
        yield
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _rejected(ErrorCode.IMAGE_TOO_LARGE, f"over {MAX_PIXELS} pixels: {error}") from error
    except _BROKEN as error:
        reason = "" if isinstance(error, UnidentifiedImageError) else f" ({error})"
        message = (
            f"the {len(data)} bytes beginning with {data[:16]!r} are not a complete image{reason}; "
            f"check what the URL serves, or convert it to one of {', '.join(_FORMATS)}"
        )
        raise _rejected(ErrorCode.IMAGE_UNDECODABLE, message) from error


def _rejected(code: ErrorCode, message: str) -> FailureError:
    return FailureError(Failure(code, message, stage="decode"))
