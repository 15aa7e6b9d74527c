"""The contract of `POST /face/analyze`: the models of requests, answers and errors."""

import json
from pathlib import Path
from typing import Annotated, Final, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from pydantic.fields import FieldInfo

from facebeam.schemas.landmarks import REGIONS
from facebeam.schemas.values import MAX_FACES, Face, FoundFaces

FACE_MODEL_VERSION: Final = "3.0"
"""The only version in the contract; answers name it instead of the local model's version."""

GUIDE_EXAMPLE: Final = json.loads(Path(__file__).with_name("guide_example.json").read_bytes())
"""The example response in the service's guide."""


class FaceAnalyzeRequest(BaseModel):
    """The body of a request; other keys are ignored."""

    model_config = ConfigDict(strict=True, frozen=True)

    image_url: Annotated[str, Field(min_length=1, examples=["https://cdn.acedata.cloud/lrbtcn.jpg"])]
    mode: Annotated[int, Field(ge=0, le=1, description="0: all faces, 1: the largest")] = 0
    face_model_version: Annotated[str, Field(examples=[FACE_MODEL_VERSION])] = FACE_MODEL_VERSION
    need_rotate_detection: Annotated[int, Field(ge=0, le=1, description="1: look for turned faces too")] = 0


class Point(BaseModel):
    """A landmark in pixels of the upright image; it may lie outside the image."""

    x: int
    y: int


def _all_of(region: str) -> FieldInfo:
    count = REGIONS[region]
    field: FieldInfo = Field(min_length=count, max_length=count)
    return field


class FaceShape(BaseModel):
    """The 90 landmarks of a face; `left` is the left side of the image."""

    face_profile: Annotated[list[Point], _all_of("face_profile")]
    left_eye: Annotated[list[Point], _all_of("left_eye")]
    right_eye: Annotated[list[Point], _all_of("right_eye")]
    left_eye_brow: Annotated[list[Point], _all_of("left_eye_brow")]
    right_eye_brow: Annotated[list[Point], _all_of("right_eye_brow")]
    mouth: Annotated[list[Point], _all_of("mouth")]
    nose: Annotated[list[Point], _all_of("nose")]
    left_pupil: Annotated[list[Point], _all_of("left_pupil")]
    right_pupil: Annotated[list[Point], _all_of("right_pupil")]


class FaceAnalyzeResponse(BaseModel):
    """An image with its faces, the largest first."""

    model_config = ConfigDict(json_schema_extra={"example": GUIDE_EXAMPLE})

    image_width: int
    image_height: int
    face_model_version: str
    face_shape_set: Annotated[list[FaceShape], Field(min_length=1, max_length=MAX_FACES)]


class ErrorDetail(BaseModel):
    """The reason of an error."""

    code: str
    message: str


class ErrorResponse(BaseModel):
    """The body of an error."""

    success: Literal[False]
    error: ErrorDetail
    trace_id: str


_Points = list[dict[str, int]]


def answer_body(answer: FoundFaces) -> dict[str, object]:
    """Give the JSON of a successful response; coordinates are rounded to whole pixels."""
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
