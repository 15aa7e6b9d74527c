"""parse_answer turns the service's answer into faces of 90 points, or names the place that is wrong."""

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facebeam.schemas.errors import ErrorCode
from facebeam.schemas.landmarks import REGIONS
from facebeam.schemas.values import FailureError, Outcome
from facebeam.transforms.api.parse_answer import parse_answer

FACE = {
    region: [{"x": 10 * i + j, "y": -j} for j in range(count)]
    for i, (region, count) in enumerate(REGIONS.items())
}
BODY: dict[str, Any] = {
    "image_width": 640,
    "image_height": 480,
    "face_model_version": "3.0",
    "face_shape_set": [FACE],
}


def changed(**changes: object) -> dict[str, Any]:
    """Give the good body with keys replaced."""
    return deepcopy(BODY) | changes


def with_point(point: object) -> dict[str, Any]:
    """Give the good body with the nose's fourth point replaced."""
    body = changed()
    body["face_shape_set"][0]["nose"][3] = point
    return body


def test_guide_example_is_read(shared: Path) -> None:
    """The example in the service's guide gives one face with its points in the contract's order."""
    guide = (shared / "face-analyze-guide.txt").read_text()
    body, _ = json.JSONDecoder().raw_decode(guide[guide.index('{\n"image_width"') :])
    answer = parse_answer(body)
    assert (answer.image_width, answer.image_height, answer.face_model_version) == (690, 920, "3.0")
    (face,) = answer.faces
    expected = [point for region in REGIONS for point in body["face_shape_set"][0][region]]
    assert face.points.tolist() == [[point["x"], point["y"]] for point in expected]
    assert face.points[10].tolist() == [301, 301]
    assert face.region("right_pupil").tolist() == [[357, 225]]


@pytest.mark.parametrize(
    "body",
    [
        changed(face_shape_set=json.dumps([FACE])),
        changed(face_shape_set=[{key: [{"X": p["x"], "Y": p["y"]} for p in v] for key, v in FACE.items()}]),
        changed(unknown={"a": 1}),
        changed(face_shape_set=[FACE | {"gender": []}]),
    ],
    ids=["a string of JSON", "capital X and Y", "unknown key", "unknown region"],
)
def test_other_spellings_read_the_same(body: dict[str, Any]) -> None:
    """Other spellings in published examples, and unknown keys, do not change the answer."""
    assert parse_answer(body) == parse_answer(BODY)


@pytest.mark.parametrize(
    ("named", "read"),
    [
        ("3.1", "3.1"),
        (3, "3"),
        (3.5, "3.5"),
        *((none, "3.0") for none in (None, "", True, ["3"], {"v": 1})),
    ],
)
def test_version_is_text_or_number(named: object, read: str) -> None:
    """The answer has the version that the body names as text or number, otherwise the one asked for."""
    assert parse_answer(changed(face_model_version=named), "3.0").face_model_version == read


@pytest.mark.parametrize("none", [None, [], "[]"])
def test_empty_face_set_is_no_face(none: object) -> None:
    """An empty list of faces, or null, gives the outcome `no_face`."""
    assert parse_answer(changed(face_shape_set=none)).outcome is Outcome.NO_FACE


def test_order_and_number_of_faces_are_kept() -> None:
    """Two hundred faces keep their number and their order."""
    faces = [deepcopy(FACE) for _ in range(200)]
    for i, face in enumerate(faces):
        face["left_pupil"][0]["x"] = i
    points = np.stack([face.points for face in parse_answer(changed(face_shape_set=faces)).faces])
    assert points[:, 88, 0].tolist() == list(range(200))


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (None, "the body"),
        ([], "the body"),
        ({key: value for key, value in BODY.items() if key != "face_shape_set"}, "face_shape_set"),
        (changed(face_shape_set=7), "face_shape_set"),
        (changed(face_shape_set="[" * 100_000), "face_shape_set"),
        (changed(face_shape_set=[3]), "face_shape_set[0]"),
        (changed(face_shape_set=[FACE, FACE | {"mouth": FACE["mouth"][:-1]}]), "face_shape_set[1].mouth"),
        (changed(face_shape_set=[FACE | {"nose": None}]), "face_shape_set[0].nose"),
        (with_point(5), "nose[3]"),
        (with_point({"x": 1}), "nose[3].y"),
        (with_point({"x": True, "y": 1}), "nose[3].x"),
        (with_point({"x": "1", "y": 1}), "nose[3].x"),
        (with_point({"x": float("nan"), "y": 1}), "nose[3].x"),
        (with_point({"x": 1, "y": float("-inf")}), "nose[3].y"),
        (with_point({"x": 10**5000, "y": 1}), "nose[3].x"),
    ],
)
def test_wrong_body_is_named(body: Any, place: str) -> None:  # noqa: ANN401 - anything can come
    """A body that is not a valid answer fails with `invalid_response`, and the message names the place."""
    with pytest.raises(FailureError) as error:
        parse_answer(body)
    assert error.value.failure.code is ErrorCode.INVALID_RESPONSE
    assert place in error.value.failure.message
    assert len(error.value.failure.message) < 300


@pytest.mark.parametrize(
    ("sent", "width"),
    [
        *((640, 640), (640.0, 640), (None, None), (0, None), (-1, None), (640.5, None), (1e300, None)),
        *(
            (2**31, None),
            ("640", None),
            (True, None),
            (float("nan"), None),
            (float("inf"), None),
            ([1], None),
        ),
    ],
)
def test_points_are_kept_without_a_usable_size(sent: object, width: int | None) -> None:
    """A face with 90 good points is an answer whatever the size says; a size that is not usable is None."""
    answer = parse_answer(changed(image_width=sent, image_height=sent))
    assert (len(answer.faces), answer.image_width, answer.image_height) == (1, width, width)


def test_a_missing_size_is_none() -> None:
    """An answer without width and height keeps its faces."""
    body = {key: value for key, value in BODY.items() if not key.startswith("image_")}
    assert (len(parse_answer(body).faces), parse_answer(body).image_width) == (1, None)


def test_a_missing_list_of_faces_is_called_missing() -> None:
    """The message does not show a value that nobody sent."""
    with pytest.raises(FailureError) as error:
        parse_answer({"image_width": 1, "image_height": 1})
    assert error.value.failure.message == "face_shape_set is missing, not a list of faces"
