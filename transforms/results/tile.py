"""Make a tile of the report: a picture with the points of its faces, and facts about the image."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from facebeam.schemas.landmarks import REGIONS, region_slice
from facebeam.transforms.http.shown_text import shown_text, shown_url
from facebeam.transforms.results.answered_images import AnsweredImage
from facebeam.transforms.results.picture import Picture

SWITCHES: Final[Mapping[str, str]] = {
    "face_profile": "contour",
    "left_eye": "eyes",
    "right_eye": "eyes",
    "left_eye_brow": "brows",
    "right_eye_brow": "brows",
    "mouth": "mouth",
    "nose": "nose",
    "left_pupil": "pupils",
    "right_pupil": "pupils",
}
"""Region -> the switch that shows and hides it."""
_UNITS: Final = {
    "score": "",
    "predicted_error": " % of the eye distance",
    "yaw_deg": "°",
    "pitch_deg": "°",
    "roll_deg": "°",
}
_MOST_VALUES: Final = 6
_MOST_CHARACTERS: Final = 80


@dataclass(frozen=True)
class Drawn:
    """Points that are drawn in the same way.

    Args:
        switch: the switch that shows and hides them.
        kind: `main`, `others` (other faces of the image) or `with` (faces of the other run).
        path: an SVG path in pixels of the image: one line of length zero per point.
    """

    switch: str
    kind: str
    path: str


@dataclass(frozen=True)
class Tile:
    """What the page shows about one image; all texts are plain text, not HTML.

    Args:
        title: the image's id.
        url: its URL without secrets.
        facts: short statements about image and faces.
        own: values of the manifest's own columns.
        picture: the picture, or why there is none.
        drawn: the points.
    """

    title: str
    url: str
    facts: Sequence[str]
    own: Mapping[str, str]
    picture: Picture
    drawn: Sequence[Drawn]


def make_tile(image: AnsweredImage, picture: Picture, drawn: Sequence[Drawn], facts: Sequence[str]) -> Tile:
    """Make a tile."""
    own = {
        shown_text(name): shown_text(str(value), _MOST_CHARACTERS)
        for name, value in image.own.items()
        if value is not None
    }
    return Tile(
        shown_text(image.image_id, _MOST_CHARACTERS),
        shown_url(image.url),
        facts,
        dict([*own.items()][:_MOST_VALUES]),
        picture,
        drawn,
    )


def draw(points: NDArray[np.float32], kind: str) -> Iterator[Drawn]:
    """Draw faces, float32[n, 90, 2] in pixels, region by region."""
    for region in REGIONS if len(points) else ():
        of_region = points[:, region_slice(region)].reshape(-1, 2).tolist()
        yield Drawn(SWITCHES[region], kind, "".join(f"M{x:.1f} {y:.1f}h0" for x, y in of_region))


def facts_of(image: AnsweredImage, face: int | None = None) -> Iterator[str]:
    """Give facts about an image, or about one of its faces."""
    if face is None:
        count = len(image.points)
        yield f"{count} face{'' if count == 1 else 's'}" if count else "no face"
    else:
        yield f"face {face + 1} of {len(image.points)}"
    if image.size:
        yield "{} x {} pixels".format(*image.size)
    for name, values in image.quality.items():
        known = [values[i] for i in range(len(values)) if face in {None, i} and values[i] is not None]
        if known:
            shown = ", ".join(f"{value:.3g}" for value in known)
            yield f"{name.removesuffix('_deg').replace('_', ' ')} {shown}{_UNITS[name]}"
