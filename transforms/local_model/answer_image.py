"""Find the faces in the bytes of one image with the local model."""

from facebeam.schemas.values import FoundFaces, ImageRequest
from facebeam.transforms.local_model.decode_image import decode_image
from facebeam.transforms.local_model.face_model import FaceModel
from facebeam.transforms.local_model.version import FACE_MODEL_VERSION


def answer_image(model: FaceModel, data: bytes, request: ImageRequest) -> FoundFaces:
    """Decode an image and find its faces.

    Raises:
        FailureError: the image cannot be decoded, as in `decode_image`; the stage is `decode`.
    """
    image = decode_image(data)
    found = model.look(image, request.mode, request.need_rotate_detection)
    return FoundFaces(
        faces=found.faces,
        image_width=image.width,
        image_height=image.height,
        face_model_version=FACE_MODEL_VERSION,
        faces_cut=found.cut,
    )
