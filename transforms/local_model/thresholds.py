"""The thresholds and fits of the local model.

`python -m benchmarks.fit_thresholds` prints new values of `error_fit` and `score_fit`.
"""

from typing import Final, NamedTuple


class Thresholds(NamedTuple):
    """All parameters of the local model. `FACE_MODEL_VERSION` changes if one of them changes."""

    looks: tuple[tuple[float, int, int], ...] = (
        (480, 224, 512),
        (850, 320, 640),
        (1280, 320, 800),
        (float("inf"), 512, 1024),
    )
    """Sizes of the detector's input, in pixels, by the size of the photograph.

    Each row has the largest long side of a photograph, and the long side of the input for the first and the
    second look.
    """
    seen: float = 0.25
    """A small face causes a second look if the detector's score is at least this."""
    small: float = 16.0
    """A face is small if the shorter side of its box is below this, in pixels of the input."""
    candidate: float = 0.35
    """A mesh is fitted to a detection if the detector's score is at least this."""
    sure: float = 0.6
    """A detection in the upright image with at least this score is a face without further checks.

    Below it, the face is doubtful: `presence` and `disagreement` decide.
    """
    presence: float = 1.0
    """A doubtful face needs at least this presence (FaceMesh's logit)."""
    disagreement: float = 6.0
    """Largest distance between a doubtful face's mesh and its mirrored mesh, in % of the face's size."""
    plain_presence: float = 10.0
    """FaceMesh runs only once if the presence (its logit) is at least this.

    The detector's score must also be at least `sure`, and the mesh must fit its crop.
    """
    turned_score: float = 0.5
    """A face that the detector found only in a turned image needs at least this detector's score."""
    turned_presence: float = 12.0
    """A face that the detector found only in a turned image needs at least this presence."""
    box_margin: float = 1.45
    """Side of the crop around a detection, divided by the longer side of the detection's box."""
    box_down: float = 0.045
    """Distance from the middle of the detection's box down to the middle of the crop.

    It is divided by the longer side of the box. Crops around meshes are lower by about this much.
    """
    upright_degrees: float = 4.0
    """A face with a smaller angle is cut out without a turn.

    Such small angles do not disturb FaceMesh, and cutting without a turn takes half the time.
    """
    moved_degrees: float = 7.0
    """A second pass uses the crop around the first mesh if the two crops' angles differ by more than this."""
    moved_iou: float = 0.75
    """A second pass uses the crop around the first mesh if the two crops' intersection over union is less."""
    error_fit: tuple[float, float, float, float] = (1.818, 0.34, -0.028, -0.156)
    """Factors of a linear fit of ln(error in % of the face's size).

    They belong to: constant 1, ln of the disagreement, presence, ln of the face's size in pixels.
    """
    score_fit: tuple[float, float, float, float] = (-1.542, -0.846, 0.064, 4.367)
    """Factors of a logistic fit of "the points are right within 5 % of the face's size".

    They belong to: constant 1, ln of the disagreement, presence, the detector's score.
    """
    size_of_eyes: float = 1.75
    """A face's size, divided by the distance between the outer corners of its eyes, seen from the front."""


THRESHOLDS: Final = Thresholds()
