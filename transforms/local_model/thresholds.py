"""What decides what is a face, and how sure; `python -m benchmarks.fit_thresholds` prints the fits."""

from typing import Final, NamedTuple


class Thresholds(NamedTuple):
    """All that can be turned about the local model; `FACE_MODEL_VERSION` changes with every one of them."""

    looks: tuple[tuple[float, int, int], ...] = (
        (480, 224, 512),
        (850, 320, 640),
        (1280, 320, 800),
        (float("inf"), 512, 1024),
    )
    """Up to which long side of the photograph: the input's long side for a first and for a second look."""
    seen: float = 0.25
    """The detector's score from which a small face asks for a second look."""
    small: float = 16.0
    """Pixels of the input: a face is small below. Where there is one there are usually more."""
    candidate: float = 0.35
    """The detector's score from which a mesh is fitted."""
    sure: float = 0.6
    """... from which neither the mesh's presence nor its mirror image decides."""
    presence: float = 1.0
    """FaceMesh's logit that a doubtful face needs."""
    disagreement: float = 6.0
    """% of the face's size by which a doubtful face's mesh and its mirror image may differ."""
    plain_presence: float = 10.0
    """FaceMesh's logit from which one pass is enough for a sure face whose crop fits."""
    turned_score: float = 0.5
    """The detector's score that a face needs which only a turned look saw."""
    turned_presence: float = 12.0
    """... and its presence."""
    box_margin: float = 1.45
    """Side of the crop around a detection, over the side of its box, ..."""
    box_down: float = 0.045
    """... and by which part of the box's side its middle is lower, as crops around meshes are."""
    upright_degrees: float = 4.0
    """A crop turned by less is not turned: FaceMesh does not mind, and it is cut out in half the time."""
    moved_degrees: float = 7.0
    """A first mesh that is turned more against its crop is fitted again."""
    moved_iou: float = 0.75
    """... or whose own crop overlaps the first one by less."""
    error_fit: tuple[float, float, float, float] = (1.818, 0.34, -0.028, -0.156)
    """ln of the error in % of the face's size: constant, ln of the disagreement, presence, ln of the size in
    pixels."""
    score_fit: tuple[float, float, float, float] = (-1.542, -0.846, 0.064, 4.367)
    """Logit of being right within 5 % of the face's size: constant, ln of the disagreement, presence, the
    detector's score."""
    size_of_eyes: float = 1.75
    """A face's size over the distance of its eyes' outer corners, seen from the front."""


THRESHOLDS: Final = Thresholds()
