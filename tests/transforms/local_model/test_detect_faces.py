"""The detector finds faces in turned and cut tiles, the largest first."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facebeam.transforms.local_model.decode_image import decode_image
from facebeam.transforms.local_model.detect_faces import detect_faces, is_cut, unturn
from facebeam.transforms.local_model.network import Network
from facebeam.transforms.local_model.weights import DETECTOR


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_unturn_undoes_rot90(turns: int) -> None:
    """`unturn` maps a point of the turned square to its pixel in the original square."""
    square = np.zeros((8, 8))
    square[2, 5] = 1
    row, column = np.argwhere(np.rot90(square, turns))[0]
    spot = np.array([column + 0.5, row + 0.5], np.float32)
    assert unturn(spot, turns, 8).tolist() == [5.5, 2.5]


@pytest.mark.parametrize("size", [(64, 64), (1, 20000), (1200, 30)])
def test_an_empty_image_has_no_faces(size: tuple[int, int]) -> None:
    """The detector finds no face in a plain grey image of any shape."""
    assert detect_faces(Network(DETECTOR), Image.new("RGB", size, "grey"), (0, 1, 2, 3)) == []


def test_a_box_on_an_inner_border_is_cut() -> None:
    """A box that touches a tile's border is cut if the image goes on there; at the image's edge it is not."""
    boxes = np.array([[0, 50, 40, 90], [150, 50, 192, 90], [20, -3, 60, 40], [20, 20, 60, 60]], np.float32)
    assert is_cut(boxes, np.array([True, False, False, True]), 192).tolist() == [True, False, False, False]
    assert is_cut(boxes, np.array([False, True, True, False]), 192).tolist() == [False, True, True, False]


def test_the_largest_face_comes_first(shared: Path) -> None:
    """`detect_faces` sorts faces by their boxes, the largest first, since only the first ten become faces."""
    photograph = decode_image((shared / "faces/images/dlib_2007_007763.jpg").read_bytes())
    faces = detect_faces(Network(DETECTOR), photograph.pixels, (0,))
    areas = [float(np.prod(face.boxes[0, 2:] - face.boxes[0, :2])) for face in faces]
    assert len(faces) == 7
    assert areas == sorted(areas, reverse=True)
