"""`landmark_mapping.json`: how FaceMesh's 478 vertices become the 90 landmarks of the API.

Fitted to the published answers of the API, which the mesh meets within 3 to 4% of the distance of the eyes.
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
"""Region -> one weighted mean of vertices a landmark, for all but the contour."""
PROFILE_CANDIDATES: Final = _MAPPING["profile_candidates"]
"""Vertices that may lie on the contour, which has no fixed ones."""
MIRROR_VERTICES: Final[NDArray[np.intp]] = np.array(_MAPPING["mirror_vertices"], np.intp)
"""int[478]: for each vertex the one at the other side of the face, as the network's own answers show it."""
