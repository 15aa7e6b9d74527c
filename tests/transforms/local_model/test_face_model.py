"""The local model finds the same face when its photograph is stored, turned or flipped in another way."""

import json
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from facebeam.schemas.landmarks import MIRROR
from facebeam.transforms.local_model.decode_image import DecodedImage, decode_image
from facebeam.transforms.local_model.face_mesh import Mesh
from facebeam.transforms.local_model.face_model import FaceModel, largest_first

Points = NDArray[np.float32]
Affine = tuple[tuple[float, float], tuple[float, float], tuple[float, float]]

WIDTH, HEIGHT = 337, 500
"""Size of the photograph whose variants are in `derived/`."""
STORED = ["rgba.png", "palette.png", "gray16.png", "gray.jpg", "cmyk.jpg", "progressive.jpg", "q10.jpg"]
STORED += ["p.gif", "lossless.webp", "lossy.webp", "q70.avif", "rgb.bmp", "lzw.tif"]
STORED += ["exif3.jpg", "exif6.jpg", "exif8.jpg"]


@cache
def model() -> FaceModel:
    """Load the networks once; fail with the cure if the weights are missing."""
    return FaceModel()


def find(path: Path, mode: int = 0, need_rotate_detection: int = 0) -> list[Points]:
    """Find the faces of a file."""
    return model().find_faces(decode_image(path.read_bytes()), mode, need_rotate_detection)


def original(shared: Path) -> Points:
    """Find the face of the original photograph."""
    (face,) = find(shared / "faces/images/lfpw_train_0003.png")
    return face


def apart(face: Points, expected: Points) -> float:
    """Give the mean distance of two faces' landmarks, in pixels; the face is 130 wide."""
    return float(np.hypot(*(face - expected).T).mean())


def test_a_face_is_ninety_points_in_the_pixels_of_the_photograph(shared: Path) -> None:
    """The landmarks lie in the face's labelled box, with the chin lowest and each pupil within its eye."""
    face = original(shared)
    assert face.shape == (90, 2)
    assert face.dtype == np.float32
    labels = json.loads((shared / "faces/truth.json").read_bytes())["images/lfpw_train_0003.png"]
    x, y, width, height = labels["faces"][0]["box"]
    assert (face >= [x - 15, y - 15]).all()
    assert (face <= [x + width + 15, y + height + 15]).all()
    assert face[10, 1] == face[:21, 1].max() > face[53:75, 1].max()
    assert face[21, 0] < face[88, 0] < face[25, 0] < face[33, 0] < face[89, 0] < face[29, 0]


@pytest.mark.parametrize("variant", STORED)
def test_how_a_photograph_is_stored_does_not_move_its_face(shared: Path, variant: str) -> None:
    """Another format, mode or EXIF orientation moves the landmarks by less than 3 pixels on average."""
    (face,) = find(shared / f"faces/derived/lfpw_train_0003__{variant}")
    assert apart(face, original(shared)) < 3


def test_a_mirrored_photograph_has_the_mirrored_face(shared: Path) -> None:
    """A mirrored photograph has the mirrored landmarks, with left and right exchanged."""
    (face,) = find(shared / "faces/derived/lfpw_train_0003__mirror.jpg")
    flipped = face * np.array([-1, 1], np.float32) + np.array([WIDTH, 0], np.float32)
    assert apart(flipped[list(MIRROR)], original(shared)) < 3


@pytest.mark.parametrize(
    ("variant", "back"),
    [
        ("rot90", ((0, 1), (-1, 0), (WIDTH, 0))),
        ("rot180", ((-1, 0), (0, -1), (WIDTH, HEIGHT))),
        ("rot270", ((0, -1), (1, 0), (0, HEIGHT))),
    ],
)
def test_the_rotation_search_finds_turned_faces(shared: Path, variant: str, back: Affine) -> None:
    """The rotation search finds a face in a photograph turned by quarters, with its own left and right."""
    faces = find(shared / f"faces/derived/lfpw_train_0003__{variant}.jpg", need_rotate_detection=1)
    unturned = faces[0] @ np.array(back[:2], np.float32) + np.array(back[2], np.float32)
    assert apart(unturned, original(shared)) < 4


def test_the_rotation_search_loses_no_upright_face(shared: Path) -> None:
    """If the network is most certain of a turned view but wrong, the model takes the next best view."""
    photograph = shared / "faces/images/aflw2000_image02616.jpg"
    (upright,), (searched,) = find(photograph), find(photograph, need_rotate_detection=1)
    assert apart(searched, upright) < 6


def test_upside_down_faces_need_the_rotation_search(shared: Path) -> None:
    """Without the rotation search, the model finds no face in an upside-down photograph."""
    assert find(shared / "faces/derived/lfpw_train_0003__rot180.jpg") == []


def test_a_shrunk_photograph_keeps_its_own_pixels(shared: Path) -> None:
    """If the decoder has shrunk a photograph, its landmarks are in pixels of the large original."""
    with Image.open(shared / "faces/images/lfpw_train_0003.png") as image:
        small = image.convert("RGB")
    enlarged = small.resize((WIDTH * 4, HEIGHT * 4))
    (face,) = model().find_faces(DecodedImage(small, WIDTH * 4, HEIGHT * 4, 4))
    (large,) = model().find_faces(DecodedImage(enlarged, WIDTH * 4, HEIGHT * 4, 1))
    assert apart(face, large) < 12


def test_every_face_of_a_group_is_found_largest_first(shared: Path) -> None:
    """The model finds seven faces at their seven labels. Mode 1 gives only the first and largest."""
    photograph = shared / "faces/images/dlib_2007_007763.jpg"
    faces = find(photograph)
    labels = json.loads((shared / "faces/truth.json").read_bytes())["images/dlib_2007_007763.jpg"]["faces"]
    assert len(faces) == len(labels) == 7
    for x, y, width, height in (label["box"] for label in labels):
        middle = np.array([x + width / 2, y + height / 2])
        assert min(float(np.hypot(*(face.mean(axis=0) - middle))) for face in faces) < width / 4
    (largest,) = find(photograph, mode=1)
    assert np.array_equal(largest, faces[0])
    assert np.ptp(faces[0], axis=0).prod() > np.ptp(faces[-1], axis=0).prod()


@pytest.mark.parametrize("name", ["sk_chelsea.png", "sk_coffee.png", "sk_rocket.jpg", "dlib_dogs.jpg"])
def test_no_face_is_found_where_there_is_none(shared: Path, name: str) -> None:
    """The model finds no face in photographs of a cat, a cup, a rocket and two dogs."""
    assert find(shared / "faces/images" / name) == []


@pytest.mark.parametrize("size", [(1, 20000), (1, 1), (640, 480)])
def test_plain_images_have_no_face(size: tuple[int, int]) -> None:
    """The model finds no face in a plain image of any shape."""
    image = DecodedImage(Image.new("RGB", size, "grey"), *size, shrunk_by=1)
    assert model().find_faces(image, need_rotate_detection=1) == []


def test_two_threads_with_a_model_each_agree(shared: Path) -> None:
    """Two models in two threads find exactly what one model finds alone."""
    image = decode_image((shared / "faces/images/lfpw_train_0003.png").read_bytes())

    def look(own: FaceModel) -> list[Points]:
        return [own.find_faces(image)[0] for _ in range(10)]

    with ThreadPoolExecutor(2) as threads:
        for faces in threads.map(look, [FaceModel(), FaceModel()]):
            assert all(np.array_equal(face, original(shared)) for face in faces)


def mesh(x: float, side: float, presence: float) -> Mesh:
    """Make a mesh whose vertices span a square."""
    corners = np.array([[x, 0], [x + side, side]], np.float32)
    return Mesh(corners, presence)


def test_a_face_found_twice_is_kept_once_and_the_largest_leads() -> None:
    """`largest_first` keeps the most certain of overlapping meshes, and sorts what it keeps by area."""
    small, unsure, sure = mesh(200, 10, 9), mesh(0, 100, 1), mesh(5, 100, 5)
    assert largest_first([small, unsure, sure]) == [sure, small]
    assert largest_first([]) == []
