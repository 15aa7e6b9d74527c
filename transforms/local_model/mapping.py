"""`landmark_mapping.json`: how FaceMesh's 478 vertices become the 90 landmarks of the API.

The weights are fitted to published answers of the API. With them, the landmarks differ from these answers by
3 to 4 % of the distance between the eyes.
"""

import json
from pathlib import Path
from typing import Final, TypedDict, cast

import numpy as np
from numpy.typing import NDArray


class _Mapping(TypedDict):
    groups: dict[str, list[dict[str, float]]]
    profile_candidates: list[int]
    mirror_vertices: list[int]


MAPPING_BYTES: Final = Path(__file__).with_name("landmark_mapping.json").read_bytes()
_MAPPING: Final = cast(_Mapping, json.loads(MAPPING_BYTES))

GROUPS: Final = _MAPPING["groups"]
"""Region -> one weighted mean per landmark (vertex -> weight). The contour is not included."""
PROFILE_CANDIDATES: Final = _MAPPING["profile_candidates"]
"""Vertices that can be on the visible contour, depending on the turn of the head."""
MIRROR_VERTICES: Final[NDArray[np.intp]] = np.array(_MAPPING["mirror_vertices"], np.intp)
"""int[478]: for each vertex its counterpart on the other side of the face, from the network's own answers."""
