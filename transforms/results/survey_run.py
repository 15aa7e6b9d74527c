"""Read a run's tables for its report: distributions of values, and the images that are worth a look."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from facebeam.transforms.results.answered_images import QUALITY_COLUMNS
from facebeam.transforms.results.chosen_rows import ChosenRows
from facebeam.transforms.results.histogram import EDGES, Histogram
from facebeam.transforms.results.smallest import Row, Smallest

_KEY: Final = ("image_id", "image_url")
_SEED: Final = 90


@dataclass
class Survey:
    """What the tables of a run show.

    Args:
        most: number of images to choose for each section.
    """

    most: int
    faces_per_image: Counter[int] = field(default_factory=Counter)
    """Number of faces -> images."""
    models: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Source and version of its model -> images."""
    histograms: dict[str, Histogram] = field(default_factory=dict)
    """`face_size`, `score`, `yaw_deg`, ... -> distribution over faces; only of columns in the tables."""
    lowest_scores: Sequence[Row] = ()
    """Faces, the lowest score first: `image_id`, `image_url`, `face_index`."""
    at_random: Sequence[Row] = ()
    """Images with faces: `image_id`, `image_url`."""
    most_faces: Sequence[Row] = ()
    no_face: Sequence[Row] = ()


def survey_run(rows: ChosenRows, most: int) -> Survey:
    """Read each table of the chosen rows once, with the columns that are needed.

    Raises:
        RunError: the tables cannot be read.
    """
    survey = Survey(most)
    _survey_images(survey, rows)
    _survey_faces(survey, rows)
    return survey


def _survey_images(survey: Survey, rows: ChosenRows) -> None:
    chance = np.random.default_rng(_SEED)
    at_random, most_faces, no_face = (Smallest(survey.most) for _ in range(3))
    for batch in rows.read("images", [*_KEY, "face_count", "source", "face_model_version"]):
        faces = batch["face_count"].to_numpy()
        survey.faces_per_image.update(dict(enumerate(np.bincount(faces).tolist())))
        survey.models.update(_counted(batch, ("source", "face_model_version")))
        keys, lot = batch.select(_KEY), chance.random(len(batch))
        at_random.offer(np.where(faces > 0, lot, np.nan), keys)
        no_face.offer(np.where(faces == 0, lot, np.nan), keys)
        most_faces.offer(np.where(faces > 1, lot - faces, np.nan), keys)
    survey.at_random, survey.most_faces, survey.no_face = at_random.rows(), most_faces.rows(), no_face.rows()


def _survey_faces(survey: Survey, rows: ChosenRows) -> None:
    quality = [name for name in QUALITY_COLUMNS if name in rows.schema("faces").names]
    lowest = Smallest(survey.most)
    for batch in rows.read("faces", [*_KEY, "face_index", "box_width", "box_height", *quality]):
        sizes = np.maximum(_numbers(batch, "box_width"), _numbers(batch, "box_height"))
        _add(survey.histograms, "face_size", sizes)
        for name in quality:
            _add(survey.histograms, name, _numbers(batch, name))
        if "score" in quality:
            lowest.offer(_numbers(batch, "score"), batch.select([*_KEY, "face_index"]))
    survey.lowest_scores = lowest.rows()


def _numbers(batch: pa.RecordBatch, name: str) -> NDArray[np.float64]:
    """Give a column as float64[n]; null is NaN."""
    values: NDArray[np.float64] = batch[name].to_numpy(zero_copy_only=False).astype(np.float64)
    return values


def _add(histograms: dict[str, Histogram], name: str, values: NDArray[np.float64]) -> None:
    known = values[~np.isnan(values)]
    if len(known):
        histograms.setdefault(name, Histogram(EDGES[name])).add(known)


def _counted(batch: pa.RecordBatch, names: Sequence[str]) -> Mapping[tuple[str, str], int]:
    grouped: Iterable[dict[str, object]] = (
        pa.table(batch.select(names)).group_by([*names]).aggregate([([], "count_all")]).to_pylist()
    )
    return {(str(row[names[0]]), str(row[names[1]])): int(str(row["count_all"])) for row in grouped}
