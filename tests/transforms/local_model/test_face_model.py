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
from facebeam.transforms.local_model.decode_image import DecodedImage, decode_image, from_pixels
from facebeam.transforms.local_model.face_mesh import Mesh
from facebeam.transforms.local_model.face_model import FaceModel, FittedFace, largest_first

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


def fitted(x: float, side: float, presence: float) -> FittedFace:
    """Make a mesh whose vertices span a square."""
    corners = np.array([[x, 0], [x + side, side]], np.float32)
    return FittedFace(Mesh(corners, presence, 1.0), 0.9)


def test_a_face_found_twice_is_kept_once_and_the_largest_leads() -> None:
    """`largest_first` keeps the most certain of overlapping meshes, and sorts what it keeps by area."""
    small, unsure, sure = fitted(200, 10, 9), fitted(0, 100, 1), fitted(5, 100, 5)
    assert largest_first([small, unsure, sure]) == [sure, small]
    assert largest_first([]) == []


def test_a_crowd_is_cut_to_its_ten_largest_faces(shared: Path) -> None:
    """Of a crowd, the ten largest faces are kept, and the answer says that there were more."""
    with Image.open(shared / "faces/images/lfpw_train_0003.png") as file:
        face = file.convert("RGB").crop((60, 80, 270, 330))
    crowd = Image.new("RGB", (1260, 1000), "grey")
    for i in range(20):
        crowd.paste(face, (i % 5 * 250, i // 5 * 250))
    seen = model().look(from_pixels(crowd))
    assert (len(seen.faces), seen.cut) == (10, True)
    assert not model().look(from_pixels(face)).cut


def test_a_crowd_of_four_hundred_has_no_broken_face(shared: Path) -> None:
    """In a crowd of 400 faces of 50 pixels, most are found, each in its own place and none twice."""
    with Image.open(shared / "faces/images/lfpw_train_0003.png") as file:
        face = file.convert("RGB").crop((60, 80, 270, 330)).resize((63, 75))
    crowd = Image.new("RGB", (20 * 70, 20 * 80), "grey")
    for i in range(400):
        crowd.paste(face, (i % 20 * 70, i // 20 * 80))
    found = [*model().fitted_faces(crowd)]
    places = {tuple(((one.mesh.box[:2] + one.mesh.box[2:]) / 2 // [70, 80]).tolist()) for one in found}
    assert len(places) == len(largest_first(found)) > 300
    assert len(model().look(from_pixels(crowd)).faces) == 10


ODD = {
    "without colour": lambda face: face.convert("L").convert("RGB"),
    "in the mirror": lambda face: face.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    "as a strip": lambda face: face.resize((700, 60)),
    "as a tower": lambda face: face.resize((60, 900)),
    "very small": lambda face: face.resize((12, 18)),
    "filling the picture": lambda face: face.crop((95, 130, 240, 300)),
    "upside down": lambda face: face.rotate(180),
}


@pytest.mark.parametrize("how", ODD)
@pytest.mark.parametrize("turned", [0, 1])
def test_an_odd_picture_has_no_broken_face(shared: Path, how: str, turned: int) -> None:
    """Points are numbers, a box is not outside by more than its size, and left is not right."""
    with Image.open(shared / "faces/images/lfpw_train_0003.png") as file:
        picture = ODD[how](file.convert("RGB"))
    for face in model().look(from_pixels(picture), 0, turned).faces:
        assert np.isfinite(face.points).all()
        low, high = face.points.min(axis=0), face.points.max(axis=0)
        extent = high - low
        assert (low > -extent).all()
        assert (high < picture.size + extent).all()
        eyes, down = face.points[89] - face.points[88], face.points[10] - face.points[88:].mean(axis=0)
        assert eyes[0] * down[1] > eyes[1] * down[0]  # seen from the eyes, the chin is at the right hand


@pytest.mark.parametrize("name", ["aflw2000_image04331.jpg", "lfpw_train_0003.png", "fr_two_people.jpg"])
def test_a_face_says_how_sure_it_is(shared: Path, name: str) -> None:
    """Each face has a score between 0 and 1, and an error that is larger the more it is turned."""
    seen = model().look(decode_image((shared / "faces/images" / name).read_bytes()))
    assert all(0 < (face.score or 0) < 1 < (face.predicted_error or 0) < 20 for face in seen.faces)


@pytest.mark.parametrize("brightness", [0.0, 0.02, 0.08])
def test_a_picture_dark_to_the_limit_has_no_broken_face(shared: Path, brightness: float) -> None:
    """Whatever is found in a picture without light, its points are numbers near the picture."""
    with Image.open(shared / "faces/images/lfpw_train_0003.png") as file:
        dark = file.convert("RGB").point(lambda level: level * brightness)
    for face in model().find_faces(from_pixels(dark), need_rotate_detection=1):
        assert np.isfinite(face).all()
        assert face.min() > -WIDTH
        assert face.max() < HEIGHT + WIDTH


@pytest.mark.parametrize(
    "cut", [(0, 0, 165, 500), (165, 0, 337, 500), (0, 0, 337, 200), (110, 130, 230, 270)]
)
def test_a_cut_face_has_no_broken_points(shared: Path, cut: tuple[int, int, int, int]) -> None:
    """A face that the border cuts, or that fills the picture, has points near it, left before right."""
    with Image.open(shared / "faces/images/lfpw_train_0003.png") as file:
        part = file.convert("RGB").crop(cut)
    for face in model().find_faces(from_pixels(part), need_rotate_detection=1):
        assert np.isfinite(face).all()
        assert np.abs(face).max() < 2 * max(part.size)
        assert face[88, 0] < face[89, 0]


def test_two_faces_that_overlap_are_two(shared: Path) -> None:
    """Of two faces, one of which hides the other's edge, both are found."""
    with Image.open(shared / "faces/images/lfpw_train_0003.png") as file:
        face = file.convert("RGB").crop((90, 100, 250, 310))
    pair = Image.new("RGB", (400, 300), "grey")
    pair.paste(face, (60, 40))
    pair.paste(face, (180, 60))
    assert len(model().find_faces(from_pixels(pair))) == 2
