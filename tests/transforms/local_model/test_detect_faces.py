"""The detector finds faces of all sizes, the largest first."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facebeam.transforms.local_model.decode_image import decode_image
from facebeam.transforms.local_model.detect_faces import Detector, detect_faces, unturn


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_unturn_undoes_rot90(turns: int) -> None:
    """`unturn` maps a point of the turned image to its pixel in the original one."""
    image = np.zeros((8, 12))
    image[2, 5] = 1
    row, column = np.argwhere(np.rot90(image, turns))[0]
    spot = np.array([column + 0.5, row + 0.5], np.float32)
    assert unturn(spot, turns, (12, 8)).tolist() == [5.5, 2.5]


@pytest.mark.parametrize("size", [(64, 64), (1, 20000), (1200, 30)])
def test_an_empty_image_has_no_faces(size: tuple[int, int]) -> None:
    """The detector finds no face in a plain grey image of any shape."""
    assert detect_faces(Detector(), Image.new("RGB", size, "grey"), (0, 1, 2, 3)) == []


def test_the_largest_face_comes_first(shared: Path) -> None:
    """`detect_faces` sorts faces by their boxes, the largest first, since only the first ten become faces."""
    photograph = decode_image((shared / "faces/images/dlib_2007_007763.jpg").read_bytes())
    faces = detect_faces(Detector(), photograph.pixels, (0,))
    areas = [float(np.prod(face.boxes[0, 2:] - face.boxes[0, :2])) for face in faces]
    assert len(faces) == 7
    assert areas == sorted(areas, reverse=True)


def test_a_small_face_in_a_large_photograph_is_found(shared: Path) -> None:
    """A face of 34 pixels is found in a photograph of 2,000, by a second look."""
    with Image.open(shared / "faces/images/lfpw_train_0003.png") as file:
        face = file.convert("RGB").resize((88, 131))
    photograph = Image.new("RGB", (2000, 1500), "grey")
    photograph.paste(face, (1200, 700))
    (found,) = detect_faces(Detector(), photograph, (0,))
    left, top, right, bottom = found.boxes[0].tolist()
    assert 1200 < left < right < 1288
    assert 700 < top < bottom < 831
