"""Choose the images and faces of each section of the report, and draw their pictures."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from facebeam.transforms.images.fetch_image import Fetch
from facebeam.transforms.results.answered_images import AnsweredImage, images_called
from facebeam.transforms.results.chosen_rows import ChosenRows
from facebeam.transforms.results.picture import Wanted, pictures
from facebeam.transforms.results.report_page import Section
from facebeam.transforms.results.smallest import Row
from facebeam.transforms.results.survey_run import Survey
from facebeam.transforms.results.tile import Tile, draw, facts_of, make_tile

_SECTIONS: Final = {
    "lowest_scores": ("Lowest scores", "One face per picture, the least certain one first."),
    "at_random": ("Random sample", "Images with faces, chosen at random; the same ones each time."),
    "most_faces": ("Most faces", "Images with more than one face, those with the most first."),
    "no_face": ("No face", "Images in which no face was found, chosen at random."),
}


def report_sections(rows: ChosenRows, survey: Survey, images: int, fetch: Fetch) -> list[Section]:
    """Read the answers of the chosen images, fetch them and draw them.

    Args:
        rows: the rows of the run.
        survey: the images to choose from for each section.
        images: number of pictures in all sections together.
        fetch: fetches an image.

    Raises:
        RunError: the tables cannot be read.
    """
    candidates = {name: getattr(survey, name) for name in _SECTIONS}
    counts = share_out(images, [len(found) for found in candidates.values()])
    chosen = {name: found[:count] for (name, found), count in zip(candidates.items(), counts, strict=True)}
    answers = images_called(rows, {_key(row) for found in chosen.values() for row in found})
    return [
        Section(*_SECTIONS[name], [*_tiles([_shown(row, answers[_key(row)]) for row in found], fetch)])
        for name, found in chosen.items()
    ]


def share_out(total: int, wanted: Sequence[int]) -> list[int]:
    """Divide pictures among sections as evenly as the sections can use them.

    >>> share_out(10, [2, 8, 0, 8])
    [2, 4, 0, 4]
    """
    given = [0 for _ in wanted]
    while total > 0 and (open_ones := [i for i, most in enumerate(wanted) if given[i] < most]):
        for i in open_ones[:total]:
            given[i] += 1
        total -= len(open_ones[:total])
    return given


@dataclass(frozen=True)
class _Shown:
    """An image in a section, and the index of the face to show. None: show all faces."""

    image: AnsweredImage
    face: int | None


def _key(row: Row) -> tuple[str, str]:
    return str(row["image_id"]), str(row["image_url"])


def _shown(row: Row, image: AnsweredImage) -> _Shown:
    return _Shown(image, int(str(row["face_index"])) if "face_index" in row else None)


def _tiles(shown: Collection[_Shown], fetch: Fetch) -> Iterator[Tile]:
    wanted = [Wanted(one.image, _faces(one)) for one in shown]
    for one, picture in zip(shown, pictures(wanted, fetch), strict=True):
        drawn = [*draw(_other_faces(one), "others"), *draw(_faces(one), "main")]
        yield make_tile(one.image, picture, drawn, [*facts_of(one.image, one.face)])


def _faces(one: _Shown) -> NDArray[np.float32]:
    """Give the faces to show in a picture, float32[n, 90, 2]."""
    return one.image.points if one.face is None else one.image.points[one.face : one.face + 1]


def _other_faces(one: _Shown) -> NDArray[np.float32]:
    return one.image.points[:0] if one.face is None else np.delete(one.image.points, one.face, axis=0)
