"""What decides what is a face, and how sure; `python -m benchmarks.fit_thresholds` prints the fits."""

from typing import Final, NamedTuple


class Thresholds(NamedTuple):
    """All that can be turned about the local model; `FACE_MODEL_VERSION` changes with every one of them."""

    first_look: tuple[tuple[float, int], ...] = ((480, 256), (850, 320), (1280, 384), (float("inf"), 480))
    """Up to which long side of the photograph it is first looked at with which long side of the input."""
    second_look: int = 640
    """Long side of the input of a second look: where the first one saw a doubtful or a small face."""
    seen: float = 0.2
    """The detector's score from which something was seen."""
    doubtful: float = 0.5
    """... below which it asks for a second look."""
    small: float = 16.0
    """Pixels of the input: smaller faces ask for a second look, since there are usually more of them."""
    candidate: float = 0.35
    """The detector's score from which a mesh is fitted."""
    sure: float = 0.6
    """... from which neither the mesh's presence nor its mirror image is asked."""
    presence: float = 0.0
    """FaceMesh's logit that a doubtful face needs in one of its passes."""
    disagreement: float = 6.0
    """% of the face's size by which a doubtful face's mesh and its mirror image may differ."""
    turned_score: float = 0.5
    """The detector's score that a face needs which only a turned look saw."""
    turned_presence: float = 12.0
    """... and its presence."""
    moved_degrees: float = 7.0
    """A first mesh that is turned more against its crop is fitted again."""
    moved_iou: float = 0.75
    """... or whose own crop overlaps the first one by less."""
    error_fit: tuple[float, float, float] = (0.996, 0.332, -0.017)
    """ln of the error in % of the face's size: constant, ln of the disagreement, presence."""
    score_fit: tuple[float, float, float, float] = (-5.326, -0.151, 0.069, 8.001)
    """Logit of being right within 5 % of the face's size: constant, ln of the disagreement, presence, the
    detector's score."""
    size_of_eyes: float = 1.75
    """A face's size over the distance of its eyes' outer corners, seen from the front."""


THRESHOLDS: Final = Thresholds()
