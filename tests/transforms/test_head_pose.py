"""A head's pose comes back from points that show it."""

import json
from pathlib import Path

import numpy as np
import pytest

from facebeam.schemas.landmarks import MIRROR
from facebeam.transforms.local_model.decode_image import decode_image
from facebeam.transforms.local_model.face_model import FaceModel
from facebeam.transforms.steps.head_pose import head_pose

AFLW = [("faces", "00050"), ("faces", "00081"), ("faces", "02616"), ("faces2", "00202"), ("faces2", "00408")]


@pytest.mark.parametrize(("folder", "number"), AFLW)
def test_the_yaw_of_a_photograph_is_that_of_its_label(shared: Path, folder: str, number: str) -> None:
    """The yaw of AFLW2000's photographs comes back within 8 degrees, with its sign."""
    name = f"images/aflw2000_image{number}.jpg"
    labels = json.loads((shared / folder / "truth.json").read_bytes())[name]["faces"]
    points = FaceModel().find_faces(decode_image((shared / folder / name).read_bytes()))[0]
    assert head_pose(points[np.newaxis])[0, 0] == pytest.approx(labels[0]["yaw_deg"], abs=8)


def test_a_mirror_image_looks_the_other_way_and_a_turned_one_leans(shared: Path) -> None:
    """A mirrored face has the opposite yaw and roll; a face turned by 30 degrees leans by as much more."""
    data = (shared / "faces/images/aflw2000_image00081.jpg").read_bytes()
    points = FaceModel().find_faces(decode_image(data))[0]
    mirrored = (points * np.array([-1, 1], np.float32))[list(MIRROR)]
    cos, sin = np.cos(np.radians(30)), np.sin(np.radians(30))
    turned = points @ np.array([[cos, sin], [-sin, cos]], np.float32)
    (yaw, pitch, roll), flipped, leant = head_pose(np.stack([points, mirrored, turned]))
    assert flipped == pytest.approx([-yaw, pitch, -roll], abs=0.1)
    assert leant == pytest.approx([yaw, pitch, roll + 30], abs=0.1)


@pytest.mark.parametrize("value", [0.0, 1e30, np.inf, np.nan])
def test_points_without_a_shape_have_some_pose(value: float) -> None:
    """Points that are all one spot, too far away or no numbers give angles, not an error or NaN."""
    assert np.isfinite(head_pose(np.full((2, 90, 2), value, np.float32))).all()


def test_no_faces_have_no_pose() -> None:
    """No faces give no rows."""
    assert head_pose(np.empty((0, 90, 2), np.float32)).shape == (0, 3)
