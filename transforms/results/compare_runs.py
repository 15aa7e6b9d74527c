"""Compare two runs: the images that both have, their outcomes, and their faces one by one."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from facebeam.schemas.errors import RunError
from facebeam.schemas.landmarks import LANDMARK_COUNT, REGIONS
from facebeam.schemas.read_tables import Key
from facebeam.schemas.values import Outcome
from facebeam.transforms.results.answered_images import AnsweredImage, answered_images
from facebeam.transforms.results.chosen_rows import ChosenRows, committed_tables
from facebeam.transforms.results.match_faces import match_faces, region_distances

_FACES_AT_A_TIME: Final = 250_000
"""Faces of the other run that are in memory at a time: about 300 MB."""
_NO_FACES: Final = np.empty((0, LANDMARK_COUNT, 2), np.float32)
ALL: Final = "all_points"
MEASURED: Final = (*REGIONS, ALL)


class Pair(NamedTuple):
    """Two faces, or faces without a partner, of one image."""

    image: AnsweredImage
    """The image with the answer of the first run."""
    one: NDArray[np.float32]
    """float32[n, 90, 2], pixels: faces of the first run."""
    other: NDArray[np.float32]
    """float32[m, 90, 2], pixels: faces of the other run."""
    distance: float
    """Mean distance of all points in % of the eye distance; 0 for faces without a partner."""


class Spread(NamedTuple):
    """The distribution of a distance over the matched faces, in % of the eye distance."""

    median: float
    p90: float
    worst: float


@dataclass
class Side:
    """One of the two runs.

    Args:
        output: the `--output` of the run.
        run: the id of the run.
    """

    output: str
    run: str
    rows: int = 0
    """Rows with different images; of rows with the same image the first one counts."""
    repeated: int = 0
    """Rows that repeat the image of an earlier row."""
    only_here: int = 0
    """Images that the other run does not have."""
    unmatched: int = 0
    """Faces without a partner, in images that both runs have."""
    models: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Source and version of its model -> images."""


@dataclass
class Comparison:
    """What two runs have in common, and where they differ.

    Args:
        one: the first run.
        other: the run that it is compared with.
        most: largest number of examples of each kind.
    """

    one: Side
    other: Side
    most: int = 0
    both: int = 0
    """Images that both runs have."""
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Outcomes or error codes in the two runs, where they differ -> images."""
    farthest: list[Pair] = field(default_factory=list)
    """Matched faces that differ, those with the largest distance first."""
    alone: list[Pair] = field(default_factory=list)
    """Faces without a partner."""
    _distances: list[NDArray[np.float64]] = field(default_factory=list)

    @property
    def matched(self) -> int:
        """Pairs of faces."""
        return sum(map(len, self._distances))

    @property
    def models_differ(self) -> bool:
        """Whether the runs' answers have different sources, or versions of models."""
        one, other = {*self.one.models}, {*self.other.models}
        return bool(one and other) and one != other

    def spreads(self) -> Mapping[str, Spread]:
        """Give the distributions of distances, per region and of all points; empty without matched faces."""
        if not self.matched:
            return {}
        values = np.quantile(np.concatenate(self._distances), [0.5, 0.9, 1.0], axis=0)
        return {name: Spread(*values[:, i].tolist()) for i, name in enumerate(MEASURED)}

    def add_distances(self, distances: NDArray[np.float64]) -> None:
        """Add the distances of matched faces, float64[n, 10]."""
        self._distances.append(distances)


class _End(NamedTuple):
    """The result of an image: `ok`, `no_face` or an error code, and its faces."""

    name: str
    outcome: str
    image: AnsweredImage | None

    @property
    def points(self) -> NDArray[np.float32]:
        return self.image.points if self.image else _NO_FACES


def compare_runs(one: Side, other: Side, key: Key, most: int = 0) -> Comparison:
    """Read the tables of both runs, in parts that fit into memory, and compare image by image.

    Args:
        one: the first run.
        other: the run that it is compared with.
        key: the column that identifies an image in both runs.
        most: largest number of examples of each kind.

    Raises:
        RunError: no image is in both, or the tables cannot be read.
    """
    found = Comparison(one, other, most)
    parts = 1 + _faces_of(other) // _FACES_AT_A_TIME
    for part in range(parts):
        _compare_part(found, key, part, parts)
    if not found.both:
        another = "image_id" if key == "image_url" else "image_url"
        raise RunError(
            f"run {one.run} and run {other.run} have no {key} in common. Compare runs of one manifest, or "
            f"find images by --key {another}"
        )
    return found


def _faces_of(side: Side) -> int:
    tables = committed_tables(side.output)
    return sum(len(batch) for batch in tables.read(side.run, "faces", tables.schema("faces", ["face_index"])))


def _compare_part(found: Comparison, key: Key, part: int, parts: int) -> None:
    held = {end.name: (end.outcome, end.points.copy()) for end in _ends(found.other, key, part, parts)}
    for end in _ends(found.one, key, part, parts):
        if end.name not in held:
            found.one.only_here += 1
            continue
        outcome, points = held.pop(end.name)
        found.both += 1
        if outcome != end.outcome:
            found.outcomes[end.outcome, outcome] += 1
        _compare_faces(found, end, points)
    found.other.only_here += len(held)


def _ends(side: Side, key: Key, part: int, parts: int) -> Iterator[_End]:
    """Read the results of a run's images in one part, each image once, and count repeated rows."""
    seen: set[str] = set()
    for end in _all_ends(ChosenRows(side.output, side.run), key):
        if crc32(end.name.encode()) % parts != part:
            continue
        if end.name in seen:
            side.repeated += 1
            continue
        seen.add(end.name)
        side.rows += 1
        if end.image:
            side.models[str(end.image.about["source"]), str(end.image.about["face_model_version"])] += 1
        yield end


def _all_ends(rows: ChosenRows, key: Key) -> Iterator[_End]:
    for image in answered_images(rows):
        outcome = Outcome.OK if len(image.points) else Outcome.NO_FACE
        yield _End(str(image.about[key]), outcome.value, image)
    for batch in rows.read("dead_letters", [key, "error_code"]):
        for row in batch.to_pylist():
            yield _End(row[key], row["error_code"], None)


def _compare_faces(found: Comparison, end: _End, other: NDArray[np.float32]) -> None:
    pairs = match_faces(end.points, other)
    left = np.delete(end.points, [i for i, _ in pairs], axis=0)
    right = np.delete(other, [j for _, j in pairs], axis=0)
    found.one.unmatched += len(left)
    found.other.unmatched += len(right)
    if end.image and (len(left) or len(right)) and len(found.alone) < found.most:
        found.alone.append(Pair(_small(end.image), left, right, 0.0))
    if pairs and end.image:
        _measure(found, end.image, end.points[[i for i, _ in pairs]], other[[j for _, j in pairs]])


def _measure(
    found: Comparison, image: AnsweredImage, one: NDArray[np.float32], other: NDArray[np.float32]
) -> None:
    distances = region_distances(one, other)
    found.add_distances(distances)
    for i, distance in enumerate(distances[:, -1].tolist()):
        least = found.farthest[-1].distance if len(found.farthest) == found.most > 0 else 0.0
        if found.most and distance > least:
            found.farthest.append(Pair(_small(image), one[i : i + 1], other[i : i + 1], distance))
            found.farthest.sort(key=lambda pair: -pair.distance)
            del found.farthest[found.most :]


def _small(image: AnsweredImage) -> AnsweredImage:
    """Copy an image's faces: without a copy, the whole batch would stay in memory."""
    return replace(image, points=image.points.copy(), boxes=image.boxes.copy())


def side_names(sides: Sequence[Side]) -> list[str]:
    """Name the runs by their ids, and also by their outputs if these differ."""
    is_one_output = len({side.output for side in sides}) == 1
    return [side.run if is_one_output else f"{side.output}, {side.run}" for side in sides]


def count_rows(found: Comparison) -> Iterator[tuple[str, str, str]]:
    """Give what is counted, and its value in each run, as text."""
    one, other = found.one, found.other
    yield "images in both", f"{found.both:,}", f"{found.both:,}"
    yield "images in one only", f"{one.only_here:,}", f"{other.only_here:,}"
    if one.repeated or other.repeated:
        yield "rows that repeat an image, not compared", f"{one.repeated:,}", f"{other.repeated:,}"
    yield "faces in both", f"{found.matched:,}", f"{found.matched:,}"
    yield "faces in one only", f"{one.unmatched:,}", f"{other.unmatched:,}"
    for (left, right), count in found.outcomes.most_common():
        yield f"outcome of {count:,} {'image' if count == 1 else 'images'}", left, right
