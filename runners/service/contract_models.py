"""The contract's request and response as pydantic models: what is checked, and what the API's page shows."""

import json
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.fields import FieldInfo

from schemas.landmarks import REGIONS
from schemas.values import MAX_FACES

FACE_MODEL_VERSION: Final = "3.0"
"""The contract's one version; an answer names it, whatever the local model's own name is."""

GUIDE_EXAMPLE: Final = json.loads(Path(__file__).with_name("guide_example.json").read_bytes())
"""The response that the service's guide shows."""


class FaceAnalyzeRequest(BaseModel):
    """What is asked for; other keys are ignored."""

    model_config = ConfigDict(strict=True, frozen=True)

    image_url: Annotated[str, Field(min_length=1, examples=["https://cdn.acedata.cloud/lrbtcn.jpg"])]
    mode: Annotated[int, Field(ge=0, le=1, description="0: all faces, 1: the largest")] = 0
    face_model_version: Annotated[str, Field(examples=[FACE_MODEL_VERSION])] = FACE_MODEL_VERSION
    need_rotate_detection: Annotated[int, Field(ge=0, le=1, description="1: look for turned faces too")] = 0


class Point(BaseModel):
    """A landmark in pixels of the upright image; it may lie outside."""

    x: int
    y: int


def _all_of(region: str) -> FieldInfo:
    count = REGIONS[region]
    field: FieldInfo = Field(min_length=count, max_length=count)
    return field


class FaceShape(BaseModel):
    """The 90 landmarks of a face; left is the image's left."""

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
    """Why there are no faces."""

    code: str
    message: str


class ErrorResponse(BaseModel):
    """The contract's error."""

    success: Literal[False]
    error: ErrorDetail
    trace_id: str
