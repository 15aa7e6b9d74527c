"""Write an answer as the contract does: nine lists of points a face, in whole pixels."""

import numpy as np

from runners.service.contract_models import FACE_MODEL_VERSION
from schemas.landmarks import REGIONS
from schemas.values import Answer, Face

_Points = list[dict[str, int]]


def answer_body(answer: Answer) -> dict[str, object]:
    """Give the JSON of a successful response; each coordinate is half a pixel off at most."""
    return {
        "image_width": answer.image_width,
        "image_height": answer.image_height,
        "face_model_version": FACE_MODEL_VERSION,
        "face_shape_set": [_face_shape(face) for face in answer.faces],
    }


def _face_shape(face: Face) -> dict[str, _Points]:
    whole = Face(np.rint(face.points))
    return {
        region: [{"x": int(x), "y": int(y)} for x, y in whole.region(region).tolist()] for region in REGIONS
    }
