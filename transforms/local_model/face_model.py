"""An image's faces, joined from the steps of this package."""

from itertools import islice
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from facebeam.schemas.values import MAX_FACES
from facebeam.transforms.local_model.decode_image import DecodedImage
from facebeam.transforms.local_model.detect_faces import Detections, detect_faces
from facebeam.transforms.local_model.face_crop import crop_around_box
from facebeam.transforms.local_model.face_mesh import Mesh, face_mesh
from facebeam.transforms.local_model.network import Network
from facebeam.transforms.local_model.ninety_points import ninety_points
from facebeam.transforms.local_model.overlaps import suppress_overlaps
from facebeam.transforms.local_model.weights import DETECTOR, MESH

__all__ = ["FaceModel"]

FACE_MODEL_VERSION: Final = "blazeface-full-range+facemesh-v2"

_MAX_IOU: Final = 0.4
"""Meshes whose boxes overlap more are one face, found twice."""


class FaceModel:
    """The two networks. For one thread at a time: another may use it only after the first is done."""

    def __init__(self) -> None:
        """Load the networks, 20 ms and 64 MB; raises WeightsError where the weights are not right."""
        self._detector: Final = Network(DETECTOR)
        self._mesh: Final = Network(MESH)

    def find_faces(
        self, image: DecodedImage, mode: int = 0, need_rotate_detection: int = 0
    ) -> list[NDArray[np.float32]]:
        """Find an image's faces, the largest first; none is an answer too.

        Shape: DecodedImage -> float32[90, 2] a face, in pixels of the upright original

        Args:
            image: what to look at.
            mode: 0 for all faces, at most ten; 1 for the largest.
            need_rotate_detection: 1 to find faces turned by more than 45 degrees too, for about four times
                the work.
        """
        rotated = need_rotate_detection == 1
        turns = (0, 1, 2, 3) if rotated else (0,)
        found = detect_faces(self._detector, image.pixels, turns)
        fitted = (self._fit(image.pixels, face, always_twice=rotated) for face in found)
        meshes = list(islice((mesh for mesh in fitted if mesh is not None), MAX_FACES))
        chosen = largest_first(meshes)[: 1 if mode == 1 else MAX_FACES]
        return [ninety_points(mesh.vertices) * np.float32(image.shrunk_by) for mesh in chosen]

    def _fit(self, pixels: Image.Image, face: Detections, *, always_twice: bool) -> Mesh | None:
        """Fit the mesh to the best detection of a face that holds one."""
        crops = (crop_around_box(box, eyes) for box, eyes in zip(face.boxes, face.eyes, strict=True))
        meshes = (face_mesh(self._mesh, pixels, crop, always_twice=always_twice) for crop in crops)
        return next((mesh for mesh in meshes if mesh is not None), None)


def largest_first(meshes: list[Mesh]) -> list[Mesh]:
    """Keep the surest mesh of each face, sorted by the area of its box."""
    if not meshes:
        return []
    boxes = np.stack([mesh.box for mesh in meshes])
    presences = np.array([mesh.presence for mesh in meshes], dtype=np.float32)
    kept = suppress_overlaps(boxes, presences, _MAX_IOU)
    area = np.prod(boxes[kept, 2:] - boxes[kept, :2], axis=1)
    return [meshes[index] for index in kept[np.argsort(-area, kind="stable")]]
