"""Boxes that overlap count as one face."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from facebeam.transforms.local_model.overlaps import group_overlaps, overlap, suppress_overlaps

corner = st.integers(0, 20)
boxes_and_scores = st.lists(st.tuples(corner, corner, corner, corner, st.integers(-5, 5)), max_size=25)


def split(rows: list[tuple[int, int, int, int, int]]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Make boxes and scores from rows of x, y, width, height and score."""
    table = np.array(rows, np.float32).reshape(-1, 5)
    return np.concatenate([table[:, :2], table[:, :2] + table[:, 2:4]], axis=1), table[:, 4]


def test_overlap_is_shared_over_joint_area() -> None:
    """The overlap of a box is 1 with itself, 0.5 with its half and 0 with its neighbour."""
    boxes = np.array([[0, 0, 4, 4], [0, 0, 2, 4], [4, 0, 8, 4]], np.float32)
    assert overlap(boxes[0], boxes).tolist() == [1.0, 0.5, 0.0]


def test_no_boxes_are_no_groups() -> None:
    """No boxes give no groups, as in an image without faces."""
    boxes, scores = split([])
    assert group_overlaps(boxes, scores, 0.3) == []
    assert suppress_overlaps(boxes, scores, 0.3).shape == (0,)


@given(boxes_and_scores, st.sampled_from([0.0, 0.3, 0.4, 0.9]))
def test_groups_are_a_partition(rows: list[tuple[int, int, int, int, int]], max_iou: float) -> None:
    """Each box is in exactly one group, and the best box of a group comes first."""
    boxes, scores = split(rows)
    groups = group_overlaps(boxes, scores, max_iou)
    assert sorted(index for group in groups for index in group) == list(range(len(rows)))
    for group in groups:
        assert (np.diff(scores[group]) <= 0).all()
        assert (overlap(boxes[group[0]], boxes[group[1:]]) > max_iou).all()


@given(boxes_and_scores, st.sampled_from([0.0, 0.3, 0.4, 0.9]))
def test_what_is_kept_does_not_overlap(rows: list[tuple[int, int, int, int, int]], max_iou: float) -> None:
    """Boxes that are kept do not overlap by more than the limit, and the best box comes first."""
    boxes, scores = split(rows)
    kept = suppress_overlaps(boxes, scores, max_iou)
    assert (np.diff(scores[kept]) <= 0).all()
    for place, index in enumerate(kept):
        assert (overlap(boxes[index], boxes[kept[place + 1 :]]) <= max_iou).all()
