"""Read the service's answer: tolerant of spelling, strict about the number of points.

Source: the contract of `POST /face/analyze`; the tests use the guide's example as input. Published examples
also write `X` and `Y` in capitals, and `face_shape_set` as a string of JSON; both are accepted.
"""

import json
from itertools import chain
from typing import Any, Final, NoReturn

import numpy as np
from numpy.typing import NDArray

from facebeam.schemas.errors import ErrorCode
from facebeam.schemas.landmarks import REGIONS
from facebeam.schemas.values import Face, Failure, FailureError, FoundFaces
from facebeam.transforms.http.shown_text import shown_text

Json = dict[str, "Json"] | list["Json"] | str | int | float | bool | None
"""A value that `json.loads` can return."""

_NUMBERS: Final = frozenset({int, float})
_MAX_VERSION_CHARACTERS: Final = 64
_LARGEST: Final = float(np.finfo(np.float32).max)


def parse_answer(
    body: Json, face_model_version: str = "", trace_id: str | None = None, latency_ms: float | None = None
) -> FoundFaces:
    """Read the body of a successful response; without faces, the outcome is `no_face`.

    Shape: a list of f faces with 90 points each -> f faces of float32[90, 2], in the same order

    Unknown keys are ignored. Points may lie outside the image. A width or height that is missing, or not a
    whole number of pixels, is None.

    Args:
        body: the decoded JSON.
        face_model_version: the version that was asked for; used if the body names none, as text or number.
        trace_id: the service's name for the call.
        latency_ms: duration of the call in milliseconds.

    Raises:
        FailureError: `invalid_response`. The message says what is wrong and where: a missing key, a list of
            the wrong length, or a coordinate that is not a finite number.
    """
    if not isinstance(body, dict):
        _invalid("the body", "an object", body)
    faces = _face_shape_set(body)
    version = body.get("face_model_version")
    named = str(version) if isinstance(version, str) or _number(version) is not None else ""
    answered_by = shown_text(named, _MAX_VERSION_CHARACTERS)
    return FoundFaces(
        faces=tuple(_face(face, f"face_shape_set[{i}]") for i, face in enumerate(faces)),
        image_width=_pixels(body, "image_width"),
        image_height=_pixels(body, "image_height"),
        face_model_version=answered_by or face_model_version,
        trace_id=trace_id,
        latency_ms=latency_ms,
    )


def _face_shape_set(body: dict[str, Json]) -> list[Json]:
    faces = body.get("face_shape_set", False)  # null: no face; a missing key: not an answer
    if isinstance(faces, str):
        try:
            faces = json.loads(faces)
        except (ValueError, RecursionError):
            _invalid("face_shape_set", "a list of faces", faces)
    if faces is None:
        return []
    if faces is False:
        raise FailureError(_failure("face_shape_set is missing, not a list of faces"))
    if not isinstance(faces, list):
        _invalid("face_shape_set", "a list of faces", faces)
    return faces


def _face(face: Json, where: str) -> Face:
    if not isinstance(face, dict):
        _invalid(where, "an object of nine regions", face)
    usual = _usual_points(face)
    if usual is not None:
        return Face(usual)
    points = [point for region in REGIONS for point in _region(face, region, where)]
    return Face(np.array(points, np.float32))


def _usual_points(face: dict[str, Any]) -> NDArray[np.float32] | None:
    """Read a face in the usual spelling all at once, in a fifth of the time; None if anything is unusual."""
    try:
        if any(len(face[region]) != count for region, count in REGIONS.items()):
            return None
        points = [(point["x"], point["y"]) for region in REGIONS for point in face[region]]
        if not _NUMBERS.issuperset(map(type, chain.from_iterable(points))):
            return None
        array = np.array(points, np.float64)
    except (KeyError, TypeError, OverflowError):
        return None
    return array.astype(np.float32) if (np.abs(array) <= _LARGEST).all() else None


def _region(face: dict[str, Json], region: str, where: str) -> list[tuple[float, float]]:
    points = face.get(region)
    if not isinstance(points, list) or len(points) != REGIONS[region]:
        found = f"{len(points)} points" if isinstance(points, list) else points
        _invalid(f"{where}.{region}", f"{REGIONS[region]} points", found)
    return [_point(point, f"{where}.{region}[{i}]") for i, point in enumerate(points)]


def _point(point: Json, where: str) -> tuple[float, float]:
    if not isinstance(point, dict):
        _invalid(where, "a point {x, y}", point)
    axes = {key.lower(): value for key, value in point.items()}
    return _coordinate(axes.get("x"), f"{where}.x"), _coordinate(axes.get("y"), f"{where}.y")


def _coordinate(value: Json, where: str) -> float:
    # `not <=` is also true for NaN. An int of a thousand digits can be compared, but not converted to float.
    number = _number(value)
    if number is None or not abs(number) <= _LARGEST:
        _invalid(where, "a finite number", value)
    return float(number)


def _pixels(body: dict[str, Json], key: str) -> int | None:
    """Read a size such as 690 or 690.0. None if it is missing or wrong: the points are good, and paid for."""
    number = _number(body.get(key))
    return int(number) if number is not None and 0 < number < 2**31 and number == int(number) else None


def _number(value: Json) -> int | float | None:
    """Give a number; None for anything else, also for True and False, which are int in Python."""
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _invalid(where: str, expected: str, found: Json) -> NoReturn:
    # Python cannot print an int of more than 4,300 digits in decimal (ValueError), but it can in hexadecimal.
    shown = (hex(found) if isinstance(found, int) and found > _LARGEST else repr(found))[:80]
    raise FailureError(_failure(f"{where} is {shown}, not {expected}"))


def _failure(message: str) -> Failure:
    return Failure(ErrorCode.INVALID_RESPONSE, message, stage="annotate")


def strict_json(body: bytes) -> Json:
    """Read JSON in UTF-8; a byte order mark is ignored, as RFC 8259, section 8.1, allows.

    NaN and Infinity, which Python writes, are floats: a size that is NaN must not cost a paid answer.

    Raises:
        ValueError: the body is not UTF-8 or not JSON, has a key twice in an object, is nested too deeply, or
            has a number with too many digits.
    """
    try:
        found: Json = json.loads(body.decode("utf-8-sig"), object_pairs_hook=_without_repetition)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return found


def _without_repetition(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key appears twice in one object")
    return found
