"""One image's bytes to its answer: what every user of the local model asks of it."""

from facebeam.schemas.values import Answer, Face, ImageRequest
from facebeam.transforms.local_model.decode_image import decode_image
from facebeam.transforms.local_model.face_model import FACE_MODEL_VERSION, FaceModel


def answer_image(model: FaceModel, data: bytes, request: ImageRequest) -> Answer:
    """Decode an image and look at it; raises FailureError of stage `decode`."""
    image = decode_image(data)
    faces = model.find_faces(image, request.mode, request.need_rotate_detection)
    return Answer(
        tuple(map(Face, faces)),
        image.width,
        image.height,
        source="local",
        face_model_version=FACE_MODEL_VERSION,
    )
