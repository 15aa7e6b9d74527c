"""Make a picture for the report: a small JPEG of a part of an image, or the reason why there is none."""

import io
from base64 import b64encode
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from facebeam.schemas.values import FailureError
from facebeam.transforms.http.shown_text import shown_text
from facebeam.transforms.images.fetch_image import Fetch
from facebeam.transforms.local_model.decode_image import DecodedImage, decode_image
from facebeam.transforms.results.answered_images import AnsweredImage

MOST_BYTES: Final = 27_000
"""Largest size of a JPEG. A hundred of them, in base64 and with their points, must fit into 5 MB."""
_ATTEMPTS: Final = ((420, 80), (420, 60), (340, 50), (260, 45), (180, 35), (120, 25))
"""Longest side in pixels and quality of JPEGs, the best first."""
_AT_A_TIME: Final = 4
_MARGIN: Final = 0.6
"""Margin around faces, as a multiple of the side of the largest face."""
_SAME_SHAPE: Final = 0.01


class View(NamedTuple):
    """The part of an image that is shown, in pixels of the image when it was annotated."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Picture:
    """A picture of one image.

    Args:
        view: the part of the image that is shown.
        jpeg: a JPEG of this part as a `data:` URL. None: there is no picture.
        note: why there is no picture, or what has changed in the image.
    """

    view: View
    jpeg: str | None = None
    note: str = ""


@dataclass(frozen=True)
class Wanted:
    """An image to be shown.

    Args:
        image: the image with its answer.
        points: float32[n, 90, 2], pixels: faces that must be in the picture. Empty: show the whole image.
    """

    image: AnsweredImage
    points: NDArray[np.float32]


def pictures(wanted: Iterable[Wanted], fetch: Fetch) -> Iterator[Picture]:
    """Fetch images, a few at a time, and make their pictures, in their order."""
    with ThreadPoolExecutor(_AT_A_TIME, "fetch") as threads:
        under_way: deque[tuple[Wanted, Future[bytes]]] = deque()
        for one in wanted:
            under_way.append((one, threads.submit(fetch, one.image.url)))
            if len(under_way) == _AT_A_TIME:
                yield _picture(*under_way.popleft())
        while under_way:
            yield _picture(*under_way.popleft())


def _picture(wanted: Wanted, fetched: Future[bytes]) -> Picture:
    try:
        return shown(wanted, decode_image(fetched.result()))
    except FailureError as error:
        view = _view(wanted.points, wanted.image.size or _extent(wanted.points))
        return Picture(view, note=shown_text(f"{error.failure.code}: {error.failure.message}"))


def shown(wanted: Wanted, decoded: DecodedImage) -> Picture:
    """Make the picture of a decoded image."""
    now = (decoded.width, decoded.height)
    then = wanted.image.size or now
    view = _view(wanted.points, then)
    if then == now:
        return Picture(view, _jpeg(decoded, view, now))
    changed = (
        f"the image is {now[0]} x {now[1]} pixels now, and was {then[0]} x {then[1]} when it was annotated"
    )
    if abs(now[0] / now[1] - then[0] / then[1]) > _SAME_SHAPE * now[0] / now[1]:
        return Picture(view, note=changed)
    return Picture(view, _jpeg(decoded, view, then), changed)


def _extent(points: NDArray[np.float32]) -> tuple[float, float]:
    """Give the size of the smallest image that contains all points."""
    if not len(points):
        return 4, 3
    width, height = np.maximum(points.max(axis=(0, 1)), 1).tolist()
    return width, height


def _view(points: NDArray[np.float32], size: Sequence[float]) -> View:
    """Choose the part around the faces; if it is more than half of the image, choose the whole image."""
    if not len(points):
        return View(0, 0, *size)
    low, high = points.min(axis=(0, 1)), points.max(axis=(0, 1))
    margin = _MARGIN * float((points.max(axis=1) - points.min(axis=1)).max())
    left, top = np.clip(low - margin, 0, np.subtract(size, 1)).tolist()
    right, bottom = np.clip(high + margin, np.add((left, top), 1), size).tolist()
    if (right - left) * (bottom - top) > size[0] * size[1] / 2:
        return View(0, 0, *size)
    return View(*(round(edge, 1) for edge in (left, top, right - left, bottom - top)))


def _jpeg(decoded: DecodedImage, view: View, size: Sequence[float]) -> str:
    """Cut out the view and compress it to `MOST_BYTES` if possible.

    `size` is the image's size in pixels when it was annotated.
    """
    x, y = decoded.pixels.width / size[0], decoded.pixels.height / size[1]
    right, bottom = (view.x + view.width) * x, (view.y + view.height) * y
    box = (view.x * x, view.y * y, min(right, decoded.pixels.width), min(bottom, decoded.pixels.height))
    for side, quality in _ATTEMPTS:
        shrink = min(1.0, side / max(box[2] - box[0], box[3] - box[1]))
        new = (max(1, round((box[2] - box[0]) * shrink)), max(1, round((box[3] - box[1]) * shrink)))
        small = decoded.pixels.resize(new, Image.Resampling.BICUBIC, box=box, reducing_gap=2.0)
        packed = io.BytesIO()
        small.save(packed, "JPEG", quality=quality, optimize=True)
        if packed.tell() <= MOST_BYTES:
            break
    return f"data:image/jpeg;base64,{b64encode(packed.getvalue()).decode()}"
