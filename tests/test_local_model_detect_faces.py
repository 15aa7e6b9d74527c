"""Points of a turned tile find their way back."""

import numpy as np
import pytest
from PIL import Image

from transforms.local_model.detect_faces import detect_faces, unturn
from transforms.local_model.network import Network
from transforms.local_model.weights import DETECTOR


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_unturn_undoes_rot90(turns: int) -> None:
    """A spot in the turned square leads back to its pixel in the square."""
    square = np.zeros((8, 8))
    square[2, 5] = 1
    row, column = np.argwhere(np.rot90(square, turns))[0]
    spot = np.array([column + 0.5, row + 0.5], np.float32)
    assert unturn(spot, turns, 8).tolist() == [5.5, 2.5]


@pytest.mark.parametrize("size", [(64, 64), (1, 20000), (1200, 30)])
def test_an_empty_image_has_no_faces(size: tuple[int, int]) -> None:
    """Nothing is found in plain grey, whatever its shape."""
    assert detect_faces(Network(DETECTOR), Image.new("RGB", size, "grey"), (0, 1, 2, 3)) == []
