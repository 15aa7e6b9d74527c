"""Export as WebDataset: tar files of samples, each with an image's bytes, its points and its other values."""

import io
import json
import tarfile
from base64 import b64encode
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from math import isfinite
from typing import BinaryIO, Final

import numpy as np

from facebeam.schemas.errors import RunError
from facebeam.schemas.tables import BOX_COLUMNS
from facebeam.schemas.values import FailureError
from facebeam.transforms.files.any_store import file_errors, writing
from facebeam.transforms.images.fetch_image import Fetch
from facebeam.transforms.results.answered_images import AnsweredImage, answered_images
from facebeam.transforms.results.chosen_rows import ChosenRows

_AT_A_TIME: Final = 8
"""Images that are being fetched or wait to be written, of at most 32 MiB each."""
SAMPLES_A_TAR: Final = 10_000
BYTES_A_TAR: Final = 1 << 30
_FIRST_BYTES: Final = {
    b"\xff\xd8\xff": "jpg",
    b"\x89PNG": "png",
    b"GIF8": "gif",
    b"RIFF": "webp",
    b"BM": "bmp",
    b"II*\0": "tiff",
    b"MM\0*": "tiff",
}


@dataclass
class Shipped:
    """The counts of an export; they grow while it runs."""

    images: int = 0
    faces: int = 0
    not_fetched: int = 0
    last_reason: str = ""


def export_webdataset(rows: ChosenRows, fetch: Fetch, folder: str) -> Shipped:
    """Fetch the images of the chosen rows and write them into `shard-000000000.tar` and so on.

    An image that cannot be fetched has no sample; `not_fetched.jsonl` says why, one line per image.

    Returns:
        The counts.

    Raises:
        RunError: no image could be fetched, the tables cannot be read, or the folder cannot be written.
    """
    shipped = Shipped()
    with writing(f"{folder}/not_fetched.jsonl") as missing:
        samples = _samples(_fetched(answered_images(rows), fetch), missing, shipped)
        _write_tars(samples, folder)
    if shipped.not_fetched and not shipped.images:
        raise RunError(
            f"none of the {shipped.not_fetched} images could be fetched, for example: {shipped.last_reason}"
        )
    return shipped


def _fetched(images: Iterable[AnsweredImage], fetch: Fetch) -> Iterator[tuple[AnsweredImage, Future[bytes]]]:
    """Fetch a few images at a time, in their order."""
    threads = ThreadPoolExecutor(_AT_A_TIME, "fetch")
    under_way: deque[tuple[AnsweredImage, Future[bytes]]] = deque()
    try:
        for image in images:
            under_way.append((image, threads.submit(fetch, image.url)))
            if len(under_way) == _AT_A_TIME:
                yield under_way.popleft()
        yield from under_way
    finally:  # an export that fails does not wait for a host that hangs: its folder is deleted first
        threads.shutdown(wait=False, cancel_futures=True)


def _samples(
    fetched: Iterable[tuple[AnsweredImage, Future[bytes]]], missing: BinaryIO, shipped: Shipped
) -> Iterator[dict[str, bytes]]:
    for image, future in fetched:
        try:
            data = future.result()
        except FailureError as error:
            shipped.not_fetched += 1
            shipped.last_reason = error.failure.message
            missing.write(_line(image, error))
            continue
        shipped.images += 1
        shipped.faces += len(image.points)
        yield sample(image, data)


def sample(image: AnsweredImage, data: bytes) -> dict[str, bytes]:
    """Make the files of one sample: ending -> content.

    The image file as it was fetched; `npy`: float32[n, 90, 2], pixels of the upright image; `json`: the
    other values.
    """
    points = io.BytesIO()
    np.save(points, image.points)
    faces: list[dict[str, object]] = [
        dict(zip(BOX_COLUMNS, box, strict=True)) for box in image.boxes.tolist()
    ]
    for name, values in image.quality.items():
        for face, value in zip(faces, values, strict=True):
            face[name] = value
    about = in_json({**image.about, "columns": image.own, "faces": faces})
    text = json.dumps(about, default=str, allow_nan=False)
    return {_ending(data): data, "npy": points.getvalue(), "json": text.encode()}


def in_json(value: object) -> object:
    r"""Replace what JSON cannot hold, at any depth: bytes by their base64, NaN and infinity by null.

    >>> in_json({"key": b"\x00\xff", "share": float("nan"), "sizes": [1, float("inf")]})
    {'key': 'AP8=', 'share': None, 'sizes': [1, None]}
    """
    match value:
        case dict():
            return {str(key): in_json(item) for key, item in value.items()}
        case list() | tuple():
            return [in_json(item) for item in value]
        case bytes():
            return b64encode(value).decode()
        case float() if not isfinite(value):
            return None
        case _:
            return value


def _ending(data: bytes) -> str:
    if data[4:12] == b"ftypavif":
        return "avif"
    return next((ending for first, ending in _FIRST_BYTES.items() if data.startswith(first)), "image")


def _line(image: AnsweredImage, error: FailureError) -> bytes:
    what = {"image_id": image.image_id, "image_url": image.url}
    failure = {"error_code": error.failure.code.value, "message": error.failure.message}
    return json.dumps(what | failure).encode() + b"\n"


def _write_tars(samples: Iterable[Mapping[str, bytes]], folder: str) -> None:
    """Write samples until a tar is full, then open the next one."""
    with ExitStack() as opened:
        tar, in_tar, size = None, 0, 0
        for number, files in enumerate(samples):
            if tar is None or in_tar == SAMPLES_A_TAR or size >= BYTES_A_TAR:
                opened.close()
                tar, in_tar, size = _open_tar(f"{folder}/shard-{number:09}.tar", opened), 0, 0
            for ending, content in files.items():
                entry = tarfile.TarInfo(f"{number:09}.{ending}")
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
                size += len(content)
            in_tar += 1


def _open_tar(path: str, opened: ExitStack) -> tarfile.TarFile:
    file = opened.enter_context(writing(path))
    opened.enter_context(file_errors("write", path))
    return opened.enter_context(tarfile.open(fileobj=file, mode="w|"))
