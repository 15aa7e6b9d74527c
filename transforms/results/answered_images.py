"""Group the rows of `faces` into images: each image with all of its faces, one image at a time."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from facebeam.schemas.landmarks import LANDMARK_COUNT
from facebeam.schemas.tables import BOX_COLUMNS, COORDINATE_COLUMNS, FACES, RESERVED_COLUMNS, face_points
from facebeam.transforms.results.chosen_rows import ChosenRows, Table

QUALITY_COLUMNS: Final = ("score", "predicted_error", "yaw_deg", "pitch_deg", "roll_deg")
"""What a source may report about a face besides its points; tables of older runs lack these columns."""
_OF_IMAGES: Final = ("image_id", "image_url", "image_width", "image_height", "source", "face_model_version")


@dataclass(frozen=True)
class AnsweredImage:
    """An image with its answer.

    Args:
        about: `image_id`, `image_url`, `image_width`, `image_height`, `source`, `face_model_version`, `run`.
        own: values of the manifest's own columns.
        points: float32[n, 90, 2], pixels: n faces in the order of the source.
        boxes: float32[n, 4], pixels: left, top, width and height of the smallest rectangle around the points.
        quality: score, pose, ... of each face, if its run has them; None: the source does not report it.
    """

    about: Mapping[str, object]
    own: Mapping[str, object]
    points: NDArray[np.float32]
    boxes: NDArray[np.float32]
    quality: Mapping[str, Sequence[float | None]]

    @property
    def url(self) -> str:
        """The URL as the manifest spells it."""
        return str(self.about["image_url"])

    @property
    def image_id(self) -> str:
        """The manifest's id of the image."""
        return str(self.about["image_id"])

    @property
    def key(self) -> tuple[str, str]:
        """Id and URL, which tell images apart."""
        return self.image_id, self.url

    @property
    def size(self) -> tuple[int, int] | None:
        """Width and height of the upright image in pixels; None: the source did not report them."""
        width, height = self.about["image_width"], self.about["image_height"]
        return (width, height) if isinstance(width, int) and isinstance(height, int) else None


def answered_images(rows: ChosenRows) -> Iterator[AnsweredImage]:
    """Read every answered image: first those with faces, then those without.

    One batch of the tables is in memory at a time.

    Raises:
        RunError: the tables cannot be read.
    """
    yield from images_with_faces(rows.read("faces"))
    yield from images_without_faces(rows.read("images"))


def images_called(
    rows: ChosenRows, keys: Collection[tuple[str, str]]
) -> Mapping[tuple[str, str], AnsweredImage]:
    """Read the images with these keys, `(id, URL)`; an image that is in several rows is given once.

    Raises:
        RunError: the tables cannot be read.
    """
    urls = pa.array({url for _, url in keys}, pa.string())

    def chosen(table: Table) -> Iterator[pa.RecordBatch]:
        for batch in rows.read(table):
            yield batch.filter(pc.is_in(batch["image_url"], value_set=urls))

    images = chain(images_with_faces(chosen("faces")), images_without_faces(chosen("images")))
    found: dict[tuple[str, str], AnsweredImage] = {}
    for image in images:
        if image.key in keys:
            found.setdefault(image.key, image)
    return found


def images_without_faces(batches: Iterable[pa.RecordBatch]) -> Iterator[AnsweredImage]:
    """Give the images in rows of `images` in which no face was found."""
    points = np.empty((0, LANDMARK_COUNT, 2), np.float32)
    for batch in batches:
        rows = batch.filter(pc.equal(batch["face_count"], 0))
        for about, own in zip(_about(rows), _own(rows), strict=True):
            yield AnsweredImage(about, own, points, np.empty((0, len(BOX_COLUMNS)), np.float32), {})


def images_with_faces(batches: Iterator[pa.RecordBatch]) -> Iterator[AnsweredImage]:
    """Join the rows of `faces` that belong to one image; they follow one another, and begin with face 0.

    The faces of an image may be in two batches.
    """
    waiting: AnsweredImage | None = None
    for batch in batches:
        for is_continued, image in _images_of(batch):
            if waiting is not None and is_continued:
                waiting = _joined(waiting, image)
                continue
            if waiting is not None:
                yield waiting
            waiting = image
    if waiting is not None:
        yield waiting


def _images_of(batch: pa.RecordBatch) -> Iterator[tuple[bool, AnsweredImage]]:
    """Split a batch into images, each with whether it continues the last image of the batch before."""
    if not len(batch):
        return
    index = batch["face_index"].to_numpy()
    starts = np.unique([0, *np.flatnonzero(index == 0)])
    firsts = batch.take(pa.array(starts))
    about, own = _about(firsts), _own(firsts)
    points, boxes, quality = face_points(batch), _boxes(batch), _quality(batch)
    for i, (start, end) in enumerate(zip(starts, [*starts[1:], len(batch)], strict=True)):
        of_image = {name: values[start:end] for name, values in quality.items()}
        image = AnsweredImage(about[i], own[i], points[start:end], boxes[start:end], of_image)
        yield bool(index[start] != 0), image


def _about(batch: pa.RecordBatch) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = batch.select([*_OF_IMAGES, "run"]).to_pylist()
    return rows


def _own(batch: pa.RecordBatch) -> list[dict[str, object]]:
    ours = RESERVED_COLUMNS | {*_OF_IMAGES, *QUALITY_COLUMNS, *COORDINATE_COLUMNS, *FACES.names}
    names = [name for name in batch.schema.names if name not in ours]
    rows: list[dict[str, object]] = (
        batch.select(names).to_pylist() if names else [{} for _ in range(len(batch))]
    )
    return rows


def _boxes(batch: pa.RecordBatch) -> NDArray[np.float32]:
    return np.stack([batch[name].to_numpy() for name in BOX_COLUMNS], axis=1)


def _quality(batch: pa.RecordBatch) -> dict[str, list[float | None]]:
    return {name: batch[name].to_pylist() for name in QUALITY_COLUMNS if name in batch.schema.names}


def _joined(one: AnsweredImage, more: AnsweredImage) -> AnsweredImage:
    quality = {name: [*values, *more.quality[name]] for name, values in one.quality.items()}
    points, boxes = np.concatenate([one.points, more.points]), np.concatenate([one.boxes, more.boxes])
    return replace(one, points=points, boxes=boxes, quality=quality)
