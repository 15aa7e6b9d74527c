"""An image's faces, joined from the steps of this package."""

from collections.abc import Iterator
from itertools import islice
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from facebeam.schemas.values import MAX_FACES, Face
from facebeam.transforms.local_model.certainty import certainty, is_face
from facebeam.transforms.local_model.decode_image import DecodedImage
from facebeam.transforms.local_model.detect_faces import Detections, detect_faces
from facebeam.transforms.local_model.face_crop import crop_around_detection
from facebeam.transforms.local_model.face_mesh import Mesh, face_mesh
from facebeam.transforms.local_model.network import Network
from facebeam.transforms.local_model.ninety_points import ninety_points
from facebeam.transforms.local_model.overlaps import suppress_overlaps
from facebeam.transforms.local_model.weights import DETECTOR, MESH

__all__ = ["FaceModel"]

_MAX_IOU: Final = 0.4
"""Meshes whose boxes overlap more are one face, found twice."""


class SeenFaces(NamedTuple):
    """An image's faces, the largest first."""

    faces: tuple[Face, ...]
    cut: bool
    """Whether more than ten were found."""


class FittedFace(NamedTuple):
    """A mesh, and the score of the detection that led to it."""

    mesh: Mesh
    score: float


class FaceModel:
    """The two networks. For one thread at a time: another may use it only after the first is done."""

    def __init__(self) -> None:
        """Load the networks, 20 ms and 64 MB; raises WeightsError where the weights are not right."""
        self._detector: Final = Network(DETECTOR)
        self._mesh: Final = Network(MESH)

    def find_faces(
        self, image: DecodedImage, mode: int = 0, need_rotate_detection: int = 0
    ) -> list[NDArray[np.float32]]:
        """Find an image's faces as `look` does, and give their points alone.

        Shape: DecodedImage -> float32[90, 2] a face, in pixels of the upright original
        """
        return [face.points for face in self.look(image, mode, need_rotate_detection).faces]

    def look(self, image: DecodedImage, mode: int = 0, need_rotate_detection: int = 0) -> SeenFaces:
        """Find an image's faces, the largest first; none is an answer too.

        Args:
            image: what to look at.
            mode: 0 for all faces, at most ten; 1 for the largest.
            need_rotate_detection: 1 to look at the image turned by quarters too, for about four times the
                work.
        """
        turns = (0, 1, 2, 3) if need_rotate_detection == 1 else (0,)
        fitted = list(islice(self.fitted_faces(image.pixels, turns), MAX_FACES + 1))
        chosen = largest_first(fitted[:MAX_FACES])[: 1 if mode == 1 else MAX_FACES]
        faces = tuple(_face(one, image.shrunk_by) for one in chosen)
        return SeenFaces(faces, cut=mode == 0 and len(fitted) > MAX_FACES)

    def fitted_faces(self, pixels: Image.Image, turns: tuple[int, ...] = (0,)) -> Iterator[FittedFace]:
        """Give every face that passes the gate, the largest detection first."""
        for detections in detect_faces(self._detector, pixels, turns):
            fitted = self._surest(pixels, detections)
            if fitted is not None:
                yield fitted

    def _surest(self, pixels: Image.Image, face: Detections) -> FittedFace | None:
        """Give the surest mesh among a face's detections, if there is one that is a face."""
        fitted = [
            FittedFace(face_mesh(self._mesh, pixels, crop_around_detection(box, points), score), score)
            for box, points, score in zip(face.boxes, face.points, face.scores.tolist(), strict=True)
        ]
        turned = not (face.turns == 0).any()
        kept = [one for one in fitted if _lies_within(one.mesh, pixels.size) and is_face(*one, turned=turned)]
        return max(kept, key=lambda one: certainty(*one).score, default=None)


def _lies_within(mesh: Mesh, size: tuple[int, int]) -> bool:
    """Tell whether a mesh is a number everywhere and has its middle in the image."""
    middle = (mesh.box[:2] + mesh.box[2:]) / 2  # NaN compares as false
    return bool((middle >= 0).all() and (middle <= size).all())


def _face(fitted: FittedFace, shrunk_by: int) -> Face:
    points = ninety_points(fitted.mesh.vertices) * np.float32(shrunk_by)
    return Face(points, *certainty(*fitted))


def largest_first(fitted: list[FittedFace]) -> list[FittedFace]:
    """Keep the surest mesh of each face, sorted by the area of its box."""
    if not fitted:
        return []
    boxes = np.stack([one.mesh.box for one in fitted])
    scores = np.array([certainty(*one).score for one in fitted], dtype=np.float32)
    kept = suppress_overlaps(boxes, scores, _MAX_IOU)
    area = np.prod(boxes[kept, 2:] - boxes[kept, :2], axis=1)
    return [fitted[index] for index in kept[np.argsort(-area, kind="stable")]]
