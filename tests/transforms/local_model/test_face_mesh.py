"""The network fits a mesh to a face, and gives none if there is no face."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facebeam.transforms.local_model.decode_image import decode_image
from facebeam.transforms.local_model.face_crop import FaceCrop
from facebeam.transforms.local_model.face_mesh import Mesh, face_mesh
from facebeam.transforms.local_model.network import Network
from facebeam.transforms.local_model.weights import MESH

CENTRE = np.array([165, 195], np.float32)
"""The middle of the face of `lfpw_train_0003.png`, which is 130 pixels wide."""


@dataclass(frozen=True)
class Photograph:
    """A photograph, and the network that fits the mesh."""

    pixels: Image.Image
    network: Network

    def fit(self, side: float, degrees: float, *, always_twice: bool = False) -> Mesh:
        """Fit the mesh, beginning with a crop of this size and angle."""
        crop = FaceCrop(CENTRE, side, float(np.radians(degrees)))
        mesh = face_mesh(self.network, self.pixels, crop, always_twice=always_twice)
        assert mesh is not None
        return mesh


@pytest.fixture
def photograph(shared: Path) -> Photograph:
    """Open the photograph of one face."""
    data = (shared / "faces/images/lfpw_train_0003.png").read_bytes()
    return Photograph(decode_image(data).pixels, Network(MESH))


@pytest.mark.parametrize(("side", "degrees"), [(210, 25), (210, -25), (280, 20), (160, 0)])
def test_a_bad_crop_is_left_for_a_better_one(photograph: Photograph, side: float, degrees: float) -> None:
    """If the first crop is turned or has the wrong size, the mesh is that of a second pass."""
    best = photograph.fit(*_framing(photograph), always_twice=True)
    found = photograph.fit(side, degrees)
    twice = photograph.fit(side, degrees, always_twice=True)
    assert np.array_equal(found.vertices, twice.vertices)
    assert np.hypot(*(found.vertices - best.vertices).T).mean() < 3


def test_a_good_crop_is_looked_at_once(photograph: Photograph) -> None:
    """If the first crop is nearly right, its mesh counts, unless the caller asks for two passes."""
    once, twice = (photograph.fit(*_framing(photograph), always_twice=twice) for twice in (False, True))
    assert not np.array_equal(once.vertices, twice.vertices)
    assert np.hypot(*(once.vertices - twice.vertices).T).mean() < 2


def test_no_face_is_no_mesh() -> None:
    """A plain grey image gives no mesh."""
    crop = FaceCrop(CENTRE, 200.0, 0.0)
    assert face_mesh(Network(MESH), Image.new("RGB", (400, 400), "grey"), crop, always_twice=False) is None


def _framing(photograph: Photograph) -> tuple[float, float]:
    crop = photograph.fit(210, 0).crop
    return crop.side * 1.03, float(np.degrees(crop.angle)) + 2
