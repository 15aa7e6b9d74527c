"""The crop around a face, and the way from a point in the crop back to the image."""

import numpy as np
import pytest
from PIL import Image

from facebeam.transforms.local_model.face_crop import (
    FaceCrop,
    crop_around_detection,
    crop_around_points,
    cut_out,
    place,
)


def crop(side: float, degrees: float = 0) -> FaceCrop:
    """Give a crop of the middle of a picture of 1200 x 900."""
    return FaceCrop(np.array([600, 450], np.float32), side, float(np.radians(degrees)))


@pytest.mark.parametrize("degrees", [0, 10, 45, 90, 180, -120])
@pytest.mark.parametrize("side", [200, 256, 500, 1100])
def test_a_spot_in_the_crop_is_placed_where_it_is_in_the_image(side: float, degrees: float) -> None:
    """`place` maps a point in a crop of any size and angle to its pixel in the image."""
    image = Image.new("RGB", (1200, 900))
    image.paste("white", (630, 460, 650, 480))
    shown = cut_out(image, crop(side, degrees), 256)[..., 0].astype(np.float32)
    rows, columns = np.indices(shown.shape) + 0.5
    middle = np.array([(columns * shown).sum(), (rows * shown).sum()], np.float32) / shown.sum()
    assert place(middle, crop(side, degrees), 256) == pytest.approx([640, 470], abs=0.6)


def test_a_large_crop_averages_its_pixels() -> None:
    """In a large crop, stripes of one pixel become grey and give no moire of black and white."""
    stripes = np.zeros((900, 1200, 3), np.uint8)
    stripes[:, ::2] = 255
    shown = cut_out(Image.fromarray(stripes), crop(800, 3), 256)
    assert np.abs(shown[60:190, 60:190].astype(int) - 127).max() < 45


def test_outside_the_image_is_black() -> None:
    """A crop is black outside the image, and may lie wholly beside it."""
    white = Image.new("RGB", (100, 100), "white")
    beside = FaceCrop(np.array([-900, 5000], np.float32), 600.0, 0.5)
    assert cut_out(white, beside, 256).max() == 0
    shown = cut_out(white, FaceCrop(np.array([0, 0], np.float32), 100.0, 0.0), 256)
    assert shown[:120].max() == 0
    assert shown[136:, 136:].min() == 255


@pytest.mark.parametrize("degrees", [0, 30, 90, 180, -100])
def test_the_crop_follows_the_eyes(degrees: float) -> None:
    """The crop frames a face's points alike at every angle, and shows the face upright."""
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    turn = np.array([[cos, sin], [-sin, cos]], np.float32)
    points = np.array([[-30, -20], [30, -20], [0, 60], [-50, -40], [50, 0]], np.float32) @ turn + 200
    framed = crop_around_points(points, points[:2])
    assert framed.side == pytest.approx(1.5 * 100, rel=1e-5)
    assert np.degrees(framed.angle) % 360 == pytest.approx(degrees % 360, abs=1e-3)
    assert framed.centre == pytest.approx(np.array([0, 10], np.float32) @ turn + 200, abs=1e-3)


def test_a_detection_is_framed_by_its_box() -> None:
    """The crop's side is 1.45 times the box's longer side; it lies a little lower, upright for the face."""
    box = np.array([10, 20, 50, 40], np.float32)
    eyes_nose_mouth = [[20, 30], [30, 40], [20, 40], [10, 40], [20, 50]]
    framed = crop_around_detection(box, np.array(eyes_nose_mouth, np.float32))
    lower = 30 + np.sqrt(0.5) * 0.03 * 60 * np.array([-1, 1])
    assert framed.centre == pytest.approx(lower, rel=1e-5)
    assert framed.side == 1.45 * 40
    assert np.degrees(framed.angle) == pytest.approx(45)


def test_a_profile_is_framed_by_its_height() -> None:
    """Where both eyes are one spot, the line from the eyes to the mouth alone says how the face leans."""
    profile = np.array([[20, 30], [20, 30], [10, 40], [20, 50], [20, 50]], np.float32)
    assert crop_around_detection(np.array([0, 0, 40, 60], np.float32), profile).angle == pytest.approx(0)
