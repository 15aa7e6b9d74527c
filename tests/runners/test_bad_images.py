"""Strange, broken or dangerous image files: each gives the right faces or a dead letter with its code."""

import struct
import subprocess
import sys
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facebeam.schemas.tables import face_points
from tests.helpers.console import FACEBEAM, annotate, ends, run_json, table, write_urls

Draw = Callable[[Path, Image.Image], object]


def bomb(path: Path, _astronaut: Image.Image) -> None:
    """Write 900 megapixels in about 100 kB: a black PNG of one bit per pixel."""
    line = bytes(1 + 30_000 // 8)
    packer = zlib.compressobj(9)
    pixels = b"".join([*(packer.compress(line) for _ in range(30_000)), packer.flush()])
    header = struct.pack(">IIBBBBB", 30_000, 30_000, 1, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", pixels), (b"IEND", b""))
    packed = (struct.pack(">I", len(body)) + name + body + _crc(name + body) for name, body in chunks)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(packed))


def _crc(chunk: bytes) -> bytes:
    return struct.pack(">I", zlib.crc32(chunk))


def animated(path: Path, astronaut: Image.Image) -> None:
    """Write a GIF whose first frame has the face."""
    astronaut.save(path, save_all=True, append_images=[Image.new("RGB", astronaut.size)], duration=100)


def sixteen_bit(path: Path, astronaut: Image.Image) -> None:
    """Write a grey PNG of 16 bits per pixel."""
    grey = np.asarray(astronaut.convert("L"), dtype=np.uint16)
    Image.fromarray(grey * 257).save(path)


def see_through_palette(path: Path, astronaut: Image.Image) -> None:
    """Write a PNG with a palette in which one colour is transparent."""
    astronaut.quantize(256).save(path, transparency=0)


def turned(path: Path, astronaut: Image.Image) -> None:
    """Write a JPEG that lies on its side and says so in its EXIF orientation."""
    exif = Image.Exif()
    exif[0x0112] = 6
    astronaut.rotate(90, expand=True).save(path, exif=exif, quality=95)


def truncated(path: Path, astronaut: Image.Image) -> None:
    """Write the first half of a JPEG."""
    astronaut.save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


DRAWN: Mapping[str, tuple[Draw, str]] = {
    "plain.png": (lambda path, astronaut: astronaut.save(path), "1 faces"),
    "empty.jpg": (lambda path, _: path.touch(), "image_empty"),
    "page.jpg": (lambda path, _: path.write_text("<!doctype html><p>Sign in"), "image_undecodable"),
    "text.jpg": (lambda path, _: path.write_text("no photograph"), "image_undecodable"),
    "cut.jpg": (truncated, "image_undecodable"),
    "bomb.png": (bomb, "image_too_large"),
    "line.png": (lambda path, _: Image.new("RGB", (1, 20_000)).save(path), "0 faces"),
    "animated.gif": (animated, "1 faces"),
    "cmyk.jpg": (lambda path, astronaut: astronaut.convert("CMYK").save(path), "1 faces"),
    "sixteen.png": (sixteen_bit, "1 faces"),
    "palette.png": (see_through_palette, "1 faces"),
    "turned.jpg": (turned, "1 faces"),
    "modern.avif": (lambda path, astronaut: astronaut.save(path), "1 faces"),
    "modern.webp": (lambda path, astronaut: astronaut.save(path), "1 faces"),
    "phone.heic": (lambda path, _: path.write_bytes(b"\0\0\0\x18ftypheic" + bytes(500)), "image_undecodable"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, photos: Path) -> Path:
    """Draw all the images and annotate them in one run, the bomb included."""
    folder = tmp_path_factory.mktemp("images")
    astronaut = Image.open(photos / "astronaut.png").convert("RGB")
    for name, (draw, _) in DRAWN.items():
        draw(folder / name, astronaut)
    manifest = write_urls(folder / "images.txt", [folder / name for name in DRAWN])
    finished = annotate(manifest, folder / "out", "--allow-local-files", "--run-id", "one")
    assert finished.returncode == 0, finished.stderr
    return folder


def test_every_image_has_its_own_end(folder: Path) -> None:
    """An image that can be decoded ends with its number of faces, any other file with its own error code."""
    found = {Path(url).name: end for url, end in ends(folder / "out").items()}
    assert found == {name: end for name, (_, end) in DRAWN.items()}


def test_the_face_is_where_it_is_in_the_plain_image(folder: Path) -> None:
    """Each variant's points, also the turned one's, are within 5 % of the face's width of the plain PNG's."""
    from pyarrow import Table  # noqa: PLC0415 - only here

    faces = table(folder / "out", "faces").set_index("image_url", drop=False)
    points = dict(zip(faces.index, face_points(Table.from_pandas(faces)), strict=True))
    plain = points[str(folder / "plain.png")]
    width = plain[:21, 0].max() - plain[:21, 0].min()
    for url, found in points.items():
        assert np.abs(found - plain).max() < 0.05 * width, url


def test_messages_name_the_rule(folder: Path) -> None:
    """The message about the bomb states its number of pixels, and every message has over 20 characters."""
    letters = table(folder / "out", "dead_letters").set_index("image_url")["message"]
    assert "900000000 pixels" in letters[str(folder / "bomb.png")]
    assert letters.str.len().min() > 20


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a manifest of four 49-megapixel RGBA PNGs of one colour: 196 MB each when decoded."""
    folder = tmp_path_factory.mktemp("large")
    for number in range(4):
        Image.new("RGBA", (7000, 7000), (200, 40 * number, 90, 128)).save(folder / f"{number}.png")
    return write_urls(folder / "images.txt", sorted(folder.glob("*.png")))


@pytest.mark.slow
def test_large_images_side_by_side_stay_under_a_gigabyte(large: Path) -> None:
    """The process of a run with two workers peaks under 1 GB of memory, as the kernel counts it."""
    output = large.parent / "out"
    flags = ["--manifest", large, "--output", output, "--workers", 2, "--run-id", "one"]
    command = [FACEBEAM, "annotate", *map(str, flags), "--allow-local-files", "--quiet"]
    measure = (
        "import resource, subprocess, sys\n"
        "subprocess.run(sys.argv[1:], check=True)\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    peak_kb = int(subprocess.check_output([sys.executable, "-c", measure, *command]))
    assert run_json(output, "one")["counts"]["no_face"] == 4
    assert peak_kb < 1e9 / 1024
