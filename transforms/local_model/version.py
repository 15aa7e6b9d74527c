"""The local model's version: it changes with everything that changes an answer.

So the journal never gives one version's answers as another's. The code itself is not in the digest: whoever
changes a step so that answers change also changes `_STEPS`; a test compares answers with stored ones.
"""

import json
from collections.abc import Iterable
from hashlib import sha256
from typing import Final

from facebeam.transforms.local_model.mapping import MAPPING_BYTES
from facebeam.transforms.local_model.thresholds import THRESHOLDS
from facebeam.transforms.local_model.weights import SHA256

_STEPS: Final = 2
"""Counted up when the code between networks and answers changes."""


def version_of(weights: dict[str, str], mapping: bytes, thresholds: Iterable[object], steps: int) -> str:
    """Name a model by its parts: weights' sha256, mapping, thresholds, steps.

    Shape: -> "centerface+facemesh-v2+" and eight hex digits
    """
    parts = [sorted(weights.items()), sha256(mapping).hexdigest(), list(thresholds), steps]
    digest = sha256(json.dumps(parts).encode()).hexdigest()[:8]
    return f"centerface+facemesh-v2+{digest}"


FACE_MODEL_VERSION: Final = version_of(SHA256, MAPPING_BYTES, THRESHOLDS, _STEPS)
