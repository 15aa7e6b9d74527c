"""Every image becomes upright RGB pixels, or a failure with a code."""

import io
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from facebeam.schemas.errors import ErrorCode
from facebeam.schemas.values import FailureError
from facebeam.transforms.local_model.decode_image import MAX_BYTES, DecodedImage, decode_image, from_pixels

QUADRANTS = {"red": (0, 0), "lime": (30, 0), "blue": (0, 20), "white": (30, 20)}
"""Colour -> its corner in a picture of 60 x 40."""


def picture(width: int = 60, height: int = 40) -> Image.Image:
    """Paint four quadrants, so that every turn and flip shows."""
    image = Image.new("RGB", (60, 40))
    for colour, corner in QUADRANTS.items():
        image.paste(colour, (*corner, corner[0] + 30, corner[1] + 20))
    return image.resize((width, height), Image.Resampling.NEAREST)


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    """Write an image into bytes."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def code_of(data: bytes) -> ErrorCode:
    """Decode data that must fail, and give the error code."""
    with pytest.raises(FailureError) as caught:
        decode_image(data)
    assert caught.value.failure.stage == "decode"
    return caught.value.failure.code


def difference(decoded: DecodedImage, expected: Image.Image) -> float:
    """Give the mean difference of two pictures' pixels, 0 to 255."""
    assert decoded.pixels.size == expected.size
    return float(np.abs(np.asarray(decoded.pixels, np.float32) - np.asarray(expected, np.float32)).mean())


def png_chunk(kind: bytes, body: bytes) -> bytes:
    """Write a chunk of a PNG with its checksum."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_with(chunk: bytes) -> bytes:
    """Put a chunk into a PNG, after its header of 33 bytes."""
    whole = encoded(picture(), "PNG")
    return whole[:33] + chunk + whole[33:]


def png_header(width: int, height: int) -> bytes:
    """Write a PNG that claims a size and holds no pixels."""
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
        (b"IDAT", b""),
        (b"IEND", b""),
    ]
    parts = (png_chunk(kind, body) for kind, body in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("JPEG", {"quality": 95}),
        ("JPEG", {"quality": 95, "progressive": True}),
        ("PNG", {}),
        ("GIF", {}),
        ("WEBP", {"quality": 95}),
        ("WEBP", {"lossless": True}),
        ("AVIF", {"quality": 95}),
        ("BMP", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("MPO", {"save_all": True, "append_images": [Image.new("RGB", (60, 40))]}),
    ],
)
def test_every_format_shows_the_same_picture(kind: str, options: dict[str, object]) -> None:
    """A picture looks the same after each supported format."""
    decoded = decode_image(encoded(picture(), kind, **options))
    assert (decoded.width, decoded.height, decoded.shrunk_by, decoded.pixels.mode) == (60, 40, 1, "RGB")
    assert difference(decoded, picture()) < 6


@pytest.mark.parametrize(
    ("mode", "kind", "seen_as"),
    [
        ("L", "PNG", "L"),
        ("LA", "PNG", "L"),
        ("P", "PNG", "RGB"),
        ("RGBA", "PNG", "RGB"),
        ("CMYK", "JPEG", "RGB"),
        ("CMYK", "TIFF", "RGB"),
        ("1", "PNG", "1"),
    ],
)
def test_every_mode_becomes_rgb(mode: str, kind: str, seen_as: str) -> None:
    """The decoder turns pixels of every mode into RGB pixels that look the same."""
    decoded = decode_image(encoded(picture().convert(mode), kind))
    assert difference(decoded, picture().convert(seen_as).convert("RGB")) < 12


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_exif_turns_the_image_upright(kind: str, orientation: int) -> None:
    """The decoder applies the EXIF orientation: a picture that was stored turned comes out upright."""
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # the Transpose that stores it so
    stored = picture() if orientation == 1 else picture().transpose(Image.Transpose(undo[orientation]))
    exif = Image.Exif()
    exif[0x0112] = orientation
    decoded = decode_image(encoded(stored, kind, exif=exif, **({} if kind == "TIFF" else {"quality": 95})))
    assert (decoded.width, decoded.height) == (60, 40)
    assert difference(decoded, picture()) < 6


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
def test_transparent_pixels_are_white(mode: str) -> None:
    """Transparent pixels become white, and half-transparent black pixels become grey."""
    source = Image.new("RGBA", (8, 8), (0, 0, 0, 0))
    source.paste((0, 0, 0, 128), (4, 0, 8, 8))
    stored = encoded(
        source if mode == "PA" else source.convert(mode), "PNG" if mode != "PA" else "WEBP", lossless=True
    )
    pixels = np.asarray(decode_image(stored).pixels)
    assert pixels[0, 0].tolist() == [255, 255, 255]
    assert abs(int(pixels[0, 7, 0]) - 127) <= 1


@pytest.mark.parametrize(
    ("mode", "transparent"), [("L", 0), ("P", 0), ("RGB", (0, 0, 0)), ("1", 0), ("I;16", 0)]
)
def test_a_transparent_colour_is_white(mode: str, transparent: object) -> None:
    """Pixels of a PNG's one transparent colour become white; the others keep their shade."""
    source = Image.fromarray(np.array([[0, 1]], np.uint16)) if mode == "I;16" else Image.new(mode, (2, 1), 0)
    if mode in {"L", "P", "1"}:
        source.putpixel((1, 0), 1)
    if mode == "RGB":
        source.putpixel((1, 0), (1, 1, 1))
    pixels = np.asarray(decode_image(encoded(source, "PNG", transparency=transparent)).pixels)
    assert pixels[0, 0].tolist() == [255, 255, 255]
    assert int(pixels[0, 1, 0]) in ({255} if mode == "1" else {0, 1})


def test_sixteen_bit_greys_are_scaled() -> None:
    """A ramp of 16-bit greys remains a ramp and does not become white."""
    ramp = np.linspace(0, 65535, 256).astype(np.uint16)[np.newaxis].repeat(4, axis=0)
    pixels = np.asarray(decode_image(encoded(Image.fromarray(ramp), "PNG")).pixels)
    assert np.abs(pixels[0, :, 0].astype(int) - np.arange(256)).max() <= 1


def test_greys_without_a_fixed_white_are_stretched() -> None:
    """The decoder stretches floating-point greys: the image's darkest becomes 0 and its brightest 255."""
    greys = np.array([[0.0, 0.5, 1.0]], np.float32)
    pixels = np.asarray(decode_image(encoded(Image.fromarray(greys), "TIFF")).pixels)
    assert pixels[0, :, 0].tolist() == [0, 127, 255]


def test_the_first_frame_counts() -> None:
    """The decoder gives the first frame of an animation."""
    data = encoded(picture(), "GIF", save_all=True, append_images=[Image.new("RGB", (60, 40), "black")])
    assert difference(decode_image(data), picture()) < 6


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize("orientation", [1, 6])
def test_a_large_image_is_shrunk_and_keeps_its_size(kind: str, orientation: int) -> None:
    """The decoder halves an image from a long side of 4096 pixels on.

    Width and height remain those of the upright original.
    """
    exif = Image.Exif()
    exif[0x0112] = orientation
    decoded = decode_image(encoded(picture(4200, 2800), kind, exif=exif))
    upright = (4200, 2800) if orientation == 1 else (2800, 4200)
    assert (decoded.width, decoded.height) == upright
    assert decoded.shrunk_by == 2
    assert decoded.pixels.size == (upright[0] // 2, upright[1] // 2)
    if orientation == 1:
        assert difference(decoded, picture(2100, 1400)) < 6


@pytest.mark.parametrize(
    ("size", "shrunk_by"), [((1, 20000), 8), ((20000, 1), 8), ((1, 1), 1), ((4095, 3), 1)]
)
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_extreme_shapes_decode(kind: str, size: tuple[int, int], shrunk_by: int) -> None:
    """The decoder also accepts an image that is a single line of pixels."""
    decoded = decode_image(encoded(Image.new("RGB", size, "white"), kind))
    assert (decoded.width, decoded.height, decoded.shrunk_by) == (*size, shrunk_by)
    assert np.asarray(decoded.pixels).min() == 255


@pytest.mark.parametrize(
    "data",
    [
        b"<!DOCTYPE html><html><body>404</body></html>",
        b"just text",
        b"\x00" * 100,
        b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic",
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n",
        b"P6 1 1 255\n\x01\x02\x03",
        encoded(picture(), "AVIF").replace(b"pitm", b"pitx"),
        b"\xff\xd8\xff",
        png_header(60, 40),
        encoded(picture(), "JPEG")[:-200],
        encoded(picture(600, 400), "PNG")[:-200],
    ],
    ids=[
        "html",
        "text",
        "zeros",
        "heic",
        "eps",
        "ppm",
        "broken-avif",
        "jpeg-start",
        "png-without-pixels",
        "cut-jpeg",
        "cut-png",
    ],
)
def test_what_is_no_whole_image_is_undecodable(data: bytes) -> None:
    """Web pages, text, unsupported formats and broken images all give `image_undecodable`."""
    assert code_of(data) is ErrorCode.IMAGE_UNDECODABLE


def test_no_bytes_are_empty() -> None:
    """Zero bytes give `image_empty`."""
    assert code_of(b"") is ErrorCode.IMAGE_EMPTY


@pytest.mark.parametrize(("width", "height"), [(30000, 30000), (13000, 13000), (10000, 5001)])
def test_a_bomb_is_refused_before_it_is_loaded(width: int, height: int) -> None:
    """The decoder refuses 900, 169 and 50.01 megapixels by the header alone, and prints no warning."""
    with warnings.catch_warnings(record=True) as printed:
        warnings.filterwarnings("ignore", module=r"PIL\.")
        assert code_of(png_header(width, height)) is ErrorCode.IMAGE_TOO_LARGE
    assert not printed


def test_webp_is_refused_at_half_the_pixels() -> None:
    """WebP needs twice the memory, so its limit is 25 megapixels. A PNG of that size is within its limit."""
    header = struct.pack("<4sI4s4sI", b"RIFF", 22, b"WEBP", b"VP8L", 10)
    size = struct.pack("<BI", 0x2F, (5001 - 1) | (5001 - 1) << 14)
    assert code_of(header + size + bytes(5)) is ErrorCode.IMAGE_TOO_LARGE
    assert code_of(png_header(5001, 5001)) is ErrorCode.IMAGE_UNDECODABLE


def test_too_many_bytes_are_too_large() -> None:
    """The decoder counts the bytes before it reads them, and refuses too many."""
    assert code_of(bytes(MAX_BYTES + 1)) is ErrorCode.IMAGE_TOO_LARGE


ZEROS = zlib.compress(bytes(2_000_000))
"""Unpacks to twice what Pillow allows texts and profiles."""


@pytest.mark.parametrize(
    "chunk",
    [
        png_chunk(b"zTXt", b"prompt\0\0" + ZEROS),
        png_chunk(b"zTXt", b"prompt\0\0not deflated"),
        png_chunk(b"iTXt", b"prompt\0\1\0\0\0" + ZEROS),
        png_chunk(b"iCCP", b"profile\0\0" + ZEROS),
        png_chunk(b"tEXt", b"a\0b")[:-4] + b"oops",
        png_chunk(b"iCCP", b"profile\0\0" + zlib.compress(b"a"))[:-4] + b"oops",
        png_chunk(b"eXIf", b"MM\0*\0\0\0\x08\xff\xff"),
        png_chunk(b"prVt", b"of another program"),
        *(png_chunk(kind, b"x" * 3) for kind in (b"gAMA", b"cHRM", b"tRNS", b"pHYs")),
        png_chunk(b"sRGB", b""),
    ],
    ids=lambda chunk: f"{chunk[4:8].decode()}-{len(chunk)}",
)
def test_what_is_not_about_pixels_does_not_cost_a_png(chunk: bytes) -> None:
    """A PNG shows its picture, even if a text, a profile or another ancillary chunk is large or damaged."""
    assert difference(decode_image(png_with(chunk)), picture()) == 0


def test_a_transparency_longer_than_any_palette_does_not_cost_a_png() -> None:
    """As libpng does it, the chunk is ignored."""
    source = picture().quantize(8)
    head, kind, rest = encoded(source, "PNG").partition(png_chunk(b"IEND", b""))[0].partition(b"IDAT")
    data = head[:-4] + png_chunk(b"tRNS", bytes(300)) + head[-4:] + kind + rest
    assert difference(decode_image(data), source.convert("RGB")) == 0


def test_an_animation_that_is_cut_after_its_first_frame_shows_it() -> None:
    """An animated PNG whose second frame is cut is decoded like the other formats."""
    data = encoded(picture(), "PNG", save_all=True, append_images=[picture().rotate(90)])
    assert difference(decode_image(data[: data.index(b"fdAT") + 50]), picture()) == 0


def test_damaged_exif_does_not_cost_a_jpeg() -> None:
    """A JPEG whose Exif is cut shows its picture."""
    data = encoded(picture(), "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff", quality=95)
    assert difference(decode_image(data), picture()) < 5


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"quality": 10}, {"quality": 95}], ids=str)
def test_a_jpeg_without_its_end_marker_is_whole_if_its_pixels_are(
    photos: Path, options: dict[str, object]
) -> None:
    """Without the marker's two bytes, the picture is the same; with fewer, there is no picture."""
    with Image.open(photos / "astronaut.png") as photo:
        data = encoded(photo.convert("RGB").resize((128, 128)), "JPEG", **options)
    whole = np.asarray(decode_image(data).pixels)
    for missing in (1, 2):
        assert np.array_equal(np.asarray(decode_image(data[:-missing]).pixels), whole)
    assert {code_of(data[:-missing]) for missing in range(4, 100)} == {ErrorCode.IMAGE_UNDECODABLE}


def swapped_profile() -> bytes:
    """Make a profile of RGB in which red stands for blue: sRGB's, with two tags named after each other."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return profile.replace(b"rXYZ", b"temp", 1).replace(b"bXYZ", b"rXYZ", 1).replace(b"temp", b"bXYZ", 1)


@pytest.mark.parametrize(
    ("kind", "mode"),
    [
        *(("PNG", "RGB"), ("PNG", "RGBA"), ("PNG", "P")),
        *(("TIFF", "RGB"), ("TIFF", "RGBA"), ("TIFF", "P")),
        *(("WEBP", "RGB"), ("WEBP", "RGBA"), ("AVIF", "RGB"), ("AVIF", "RGBA"), ("JPEG", "RGB")),
    ],
)
def test_a_profile_that_changes_colours_is_applied(kind: str, mode: str) -> None:
    """A picture whose profile has red for blue shows red where it has blue, and white where it is clear."""
    red, green, blue = picture().split()
    stored = Image.merge("RGB", (blue, green, red)).convert(mode)
    if mode == "RGBA":
        stored.putalpha(Image.new("L", stored.size, 255))
        stored.paste((0, 0, 0, 0), (30, 20, 60, 40))  # the white corner
    data = encoded(stored, kind, icc_profile=swapped_profile(), quality=95)
    assert difference(decode_image(data), picture()) < 5


@pytest.mark.parametrize("profile", [b"not a profile", b"", swapped_profile()[:200]], ids=len)
def test_a_damaged_profile_is_ignored(profile: bytes) -> None:
    """A picture with a profile that cannot be read shows its own numbers."""
    assert difference(decode_image(encoded(picture(), "PNG", icc_profile=profile)), picture()) == 0


@pytest.mark.parametrize("mode", ["CMYK", "L"])
def test_a_profile_of_another_colour_space_is_ignored(mode: str) -> None:
    """A profile of RGB says nothing of inks or greys."""
    stored = picture().convert(mode)
    data = encoded(stored, "TIFF", icc_profile=swapped_profile())
    assert difference(decode_image(data), stored.convert("RGB")) == 0


def test_pixels_need_no_decoding() -> None:
    """An array, and an image of PIL with its EXIF, give what the encoded image gives."""
    exif = Image.Exif()
    exif[0x0112] = 6
    with Image.open(io.BytesIO(encoded(picture(), "PNG", exif=exif))) as opened:
        turned = from_pixels(opened)
    assert (turned.width, turned.height) == (40, 60)
    assert difference(turned, picture().transpose(Image.Transpose.ROTATE_270)) == 0
    assert difference(from_pixels(np.asarray(picture())), picture()) == 0
    large = from_pixels(picture(6000, 4000))
    assert (large.pixels.size, large.width, large.shrunk_by) == ((3000, 2000), 6000, 2)


@pytest.mark.parametrize(
    ("shape", "kind"),
    [((40, 60), "uint8"), ((40, 60, 4), "uint8"), ((40, 60, 3), "float32"), ((0, 60, 3), "uint8")],
)
def test_other_arrays_are_refused(shape: tuple[int, ...], kind: str) -> None:
    """Greys, transparency, floats and nothing at all are not RGB pixels."""
    with pytest.raises(ValueError, match="pixels"):
        from_pixels(np.zeros(shape, kind))


SEEDS = [encoded(picture(), kind) for kind in ("JPEG", "PNG", "GIF", "WEBP", "AVIF", "BMP", "TIFF", "MPO")]


@settings(max_examples=300)
@given(
    st.sampled_from(SEEDS),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255))),
    st.floats(0, 1),
)
def test_mutated_bytes_decode_or_fail_by_code(
    seed: bytes, changes: list[tuple[float, int]], kept: float
) -> None:
    """A broken file gives an image or a failure with a message, however it is broken."""
    data = bytearray(seed)
    for place, value in changes:
        data[int(place * len(data))] = value
    try:
        decoded = decode_image(bytes(data[: int(len(data) * kept) or len(data)]))
    except FailureError as error:
        assert error.failure.message  # noqa: PT017 - an image and a failure are both right
    else:
        assert decoded.pixels.mode == "RGB"
