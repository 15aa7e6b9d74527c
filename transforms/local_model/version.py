"""The version of the local model. It changes if the weights, the mapping, a threshold or a step changes.

So the journal never mixes answers of two versions. The code is not part of the digest: increase `_STEPS` when
a change of the code changes answers. A test compares answers with stored ones.
"""

import json
from collections.abc import Iterable
from hashlib import sha256
from typing import Final

from facebeam.transforms.local_model.mapping import MAPPING_BYTES
from facebeam.transforms.local_model.thresholds import THRESHOLDS
from facebeam.transforms.local_model.weights import SHA256

_STEPS: Final = 2
"""Increase it when the code between the networks and the answers changes."""


def version_of(weights: dict[str, str], mapping: bytes, thresholds: Iterable[object], steps: int) -> str:
    """Name a model by its parts: weights' sha256, mapping, thresholds, steps.

    Shape: -> "centerface+facemesh-v2+" and eight hex digits
    """
    parts = [sorted(weights.items()), sha256(mapping).hexdigest(), list(thresholds), steps]
    digest = sha256(json.dumps(parts).encode()).hexdigest()[:8]
    return f"centerface+facemesh-v2+{digest}"


FACE_MODEL_VERSION: Final = version_of(SHA256, MAPPING_BYTES, THRESHOLDS, _STEPS)
