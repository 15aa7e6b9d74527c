"""Find the faces of a decoded image with all steps of this package."""

from collections.abc import Iterator
from itertools import islice
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from facebeam.schemas.values import MAX_FACES, Face
from facebeam.transforms.local_model.certainty import certainty, is_face
from facebeam.transforms.local_model.decode_image import DecodedImage
from facebeam.transforms.local_model.detect_faces import Detections, Detector, detect_faces
from facebeam.transforms.local_model.face_crop import crop_around_detection
from facebeam.transforms.local_model.face_mesh import Mesh, face_mesh
from facebeam.transforms.local_model.network import Network
from facebeam.transforms.local_model.ninety_points import ninety_points
from facebeam.transforms.local_model.overlaps import suppress_overlaps
from facebeam.transforms.local_model.weights import MESH

__all__ = ["FaceModel"]

_MAX_IOU: Final = 0.4
"""Meshes whose boxes have a larger intersection over union are the same face, found twice."""


class SeenFaces(NamedTuple):
    """The faces of an image, the largest first."""

    faces: tuple[Face, ...]
    cut: bool
    """Whether more than ten faces were found, so that some are left out."""


class FittedFace(NamedTuple):
    """A mesh, and the score of the detection that it was fitted to."""

    mesh: Mesh
    score: float


class FaceModel:
    """The two loaded networks. They are not thread-safe: only one thread at a time may use a model."""

    def __init__(self) -> None:
        """Load the networks (35 ms, 90 MB); raises WeightsError if their files are missing or wrong."""
        self._detector: Final = Detector()
        self._mesh: Final = Network(MESH)

    def find_faces(
        self, image: DecodedImage, mode: int = 0, need_rotate_detection: int = 0
    ) -> list[NDArray[np.float32]]:
        """Find an image's faces like `look`, and give only their points.

        Shape: DecodedImage -> one float32[90, 2] per face, in pixels of the upright original
        """
        return [face.points for face in self.look(image, mode, need_rotate_detection).faces]

    def look(self, image: DecodedImage, mode: int = 0, need_rotate_detection: int = 0) -> SeenFaces:
        """Find an image's faces, the largest first; there may be none.

        Args:
            image: the decoded image.
            mode: 0 for all faces, at most ten; 1 for only the largest.
            need_rotate_detection: 1 to find faces that are turned too; this takes about four times as long.
        """
        turns = (0, 1, 2, 3) if need_rotate_detection == 1 else (0,)
        fitted = list(islice(self.fitted_faces(image.pixels, turns), MAX_FACES + 1))
        chosen = largest_first(fitted[:MAX_FACES])[: 1 if mode == 1 else MAX_FACES]
        faces = tuple(_face(one, image.shrunk_by) for one in chosen)
        return SeenFaces(faces, cut=mode == 0 and len(fitted) > MAX_FACES)

    def fitted_faces(self, pixels: Image.Image, turns: tuple[int, ...] = (0,)) -> Iterator[FittedFace]:
        """Give every face that `is_face` accepts, the largest detection first."""
        for detections in detect_faces(self._detector, pixels, turns):
            fitted = self._surest(pixels, detections)
            if fitted is not None:
                yield fitted

    def _surest(self, pixels: Image.Image, face: Detections) -> FittedFace | None:
        """Give the mesh with the best score among a face's detections; None if none of them is a face."""
        fitted = [
            FittedFace(face_mesh(self._mesh, pixels, crop_around_detection(box, points), score), score)
            for box, points, score in zip(face.boxes, face.points, face.scores.tolist(), strict=True)
        ]
        turned = not (face.turns == 0).any()
        kept = [one for one in fitted if _lies_within(one.mesh, pixels.size) and is_face(*one, turned=turned)]
        return max(kept, key=lambda one: certainty(*one).score, default=None)


def _lies_within(mesh: Mesh, size: tuple[int, int]) -> bool:
    """Tell whether the middle of a mesh is in the image; False if a vertex is not a finite number."""
    middle = (mesh.box[:2] + mesh.box[2:]) / 2  # a comparison with NaN is false
    return bool((middle >= 0).all() and (middle <= size).all())


def _face(fitted: FittedFace, shrunk_by: int) -> Face:
    points = ninety_points(fitted.mesh.vertices) * np.float32(shrunk_by)
    return Face(points, *certainty(*fitted))


def largest_first(fitted: list[FittedFace]) -> list[FittedFace]:
    """Keep the mesh with the best score of each face, and sort the faces by the area of their boxes."""
    if not fitted:
        return []
    boxes = np.stack([one.mesh.box for one in fitted])
    scores = np.array([certainty(*one).score for one in fitted], dtype=np.float32)
    kept = suppress_overlaps(boxes, scores, _MAX_IOU)
    area = np.prod(boxes[kept, 2:] - boxes[kept, :2], axis=1)
    return [fitted[index] for index in kept[np.argsort(-area, kind="stable")]]
