"""The version of the local model, which changes if the weights, the mapping, a threshold or `_STEPS` changes.

The version is part of the journal's keys, so a run never reads the answers of another version. The digest
does not include the code: increase `_STEPS` if a change of the code changes answers. A test compares the
model's answers with stored ones.
"""

import json
from collections.abc import Iterable
from hashlib import sha256
from typing import Final

from facebeam.transforms.local_model.mapping import MAPPING_BYTES
from facebeam.transforms.local_model.thresholds import THRESHOLDS
from facebeam.transforms.local_model.weights import SHA256

_STEPS: Final = 2
"""Increase it if a change of the code changes answers."""


def version_of(weights: dict[str, str], mapping: bytes, thresholds: Iterable[object], steps: int) -> str:
    """Give the version of a model from its parts.

    Args:
        weights: file name -> sha256 of the weights.
        mapping: the bytes of `landmark_mapping.json`.
        thresholds: the values of all thresholds, in order.
        steps: the version of the code.

    Returns:
        "centerface+facemesh-v2+" and eight hex digits.
    """
    parts = [sorted(weights.items()), sha256(mapping).hexdigest(), list(thresholds), steps]
    digest = sha256(json.dumps(parts).encode()).hexdigest()[:8]
    return f"centerface+facemesh-v2+{digest}"


FACE_MODEL_VERSION: Final = version_of(SHA256, MAPPING_BYTES, THRESHOLDS, _STEPS)
