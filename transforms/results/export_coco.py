"""Export as COCO keypoints: one JSON file in the layout that CVAT, FiftyOne and pycocotools read."""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from tempfile import TemporaryFile
from typing import IO, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from facebeam.schemas.landmarks import LANDMARK_COUNT, landmark_names
from facebeam.schemas.skeleton import SKELETON
from facebeam.transforms.files.any_store import writing
from facebeam.transforms.results.answered_images import AnsweredImage, answered_images
from facebeam.transforms.results.chosen_rows import ChosenRows

FILE: Final = "annotations/person_keypoints_default.json"
CATEGORY: Final = {
    "id": 1,
    "name": "face",
    "supercategory": "person",
    "keypoints": landmark_names(),
    "skeleton": [[start + 1, end + 1] for start, end in SKELETON],  # COCO counts from 1
}
_VISIBLE, _HIDDEN = 2, 1
_DIGITS: Final = 2
"""Decimals of coordinates in pixels: models are not more exact than that."""


def export_coco(rows: ChosenRows, folder: str) -> tuple[int, int]:
    """Write the chosen rows as one COCO file; one image and its faces are in memory at a time.

    The images come after the annotations in the file, so they are first written into a temporary file.

    Returns:
        The numbers of images and of faces.

    Raises:
        RunError: the tables cannot be read, or the folder cannot be written.
    """
    image_count = face_count = 0
    with writing(f"{folder}/{FILE}") as file, TemporaryFile() as images:
        file.write(_head())
        for image_count, image in enumerate(answered_images(rows), 1):
            _write_item(images, coco_image(image, image_count), is_first=image_count == 1)
            for face in coco_faces(image, image_count, face_count + 1):
                face_count += 1
                _write_item(file, face, is_first=face_count == 1)
        file.write(b'],\n"images": [')
        _copy(images, file)
        file.write(b"]}\n")
    return image_count, face_count


def coco_image(image: AnsweredImage, number: int) -> dict[str, object]:
    """Describe an image.

    `file_name` is the path of a local image, or a URL without its scheme, which is the path under which
    `wget --force-directories` stores it. If the size is not known, `width` and `height` are missing.
    """
    size = dict(zip(("width", "height"), image.size, strict=True)) if image.size else {}
    scheme, separator, rest = image.url.partition("://")
    about = {name: image.about[name] for name in ("image_id", "run", "source", "face_model_version")}
    url = {"coco_url": image.url} if scheme.lower() in {"http", "https"} and separator else {}
    return {"id": number, "file_name": rest if separator else image.url, **size, **url, **about}


def coco_faces(image: AnsweredImage, image_number: int, first: int) -> Iterator[dict[str, object]]:
    """Describe the faces of an image; the first one gets the number `first`."""
    points, boxes = (
        np.round(image.points.astype(float), _DIGITS),
        np.round(image.boxes.astype(float), _DIGITS),
    )
    visible = _visibility(image.points, image.size)
    for i in range(len(points)):
        quality = {name: values[i] for name, values in image.quality.items() if values[i] is not None}
        x, y, width, height = boxes[i].tolist()
        yield {
            "id": first + i,
            "image_id": image_number,
            "category_id": CATEGORY["id"],
            "bbox": [x, y, width, height],
            "area": round(width * height, _DIGITS),
            "iscrowd": 0,
            "segmentation": [],
            "num_keypoints": LANDMARK_COUNT,
            "keypoints": _flat(points[i], visible[i]),
            **quality,
        }


def _visibility(points: NDArray[np.float32], size: Sequence[int] | None) -> NDArray[np.int64]:
    """Give COCO's visibility, int[n, 90]: 2 for points in the image, 1 for points outside its border."""
    width, height = size or (np.inf, np.inf)
    x, y = points[..., 0], points[..., 1]
    is_inside = (x >= 0) & (y >= 0) & (x <= width) & (y <= height)
    return np.where(is_inside, _VISIBLE, _HIDDEN)


def _flat(points: NDArray[np.float64], visible: NDArray[np.int64]) -> list[float]:
    flat: list[float] = []
    for (x, y), v in zip(points.tolist(), visible.tolist(), strict=True):
        flat += (x, y, v)
    return flat


def _head() -> bytes:
    info = {
        "description": "facial landmarks, made with facebeam",
        "version": "1.0",
        "year": datetime.now(UTC).year,
    }
    head = json.dumps({"info": info, "licenses": [], "categories": [CATEGORY]})
    return f'{head[:-1]},\n"annotations": ['.encode()


def _write_item(file: IO[bytes], item: object, *, is_first: bool) -> None:
    file.write((b"\n" if is_first else b",\n") + json.dumps(item, separators=(",", ":")).encode())


def _copy(source: IO[bytes], target: BinaryIO) -> None:
    source.seek(0)
    while block := source.read(1 << 20):
        target.write(block)
