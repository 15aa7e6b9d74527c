"""Read the weights of the two networks, and check them by their sha256.

This module does not import LiteRT, so that a run can check the weights quickly before it starts.
"""

from hashlib import sha256
from pathlib import Path
from typing import Final

from facebeam.schemas.errors import RunError

DETECTOR: Final = "centerface.tflite"
"""CenterFace: an RGB image of 0 to 255 as float32[1, h, w, 3], sides multiples of 32 -> [1, h/4, w/4, 15]."""
MESH: Final = "face_landmarks_detector.tflite"
"""FaceMesh-V2: a face's crop as float32[1, 256, 256, 3] -> 478 vertices and a presence logit."""

SHA256: Final[dict[str, str]] = {
    DETECTOR: "3563b89e611df12dbd4873e6042aa4fa3c9b9e727e8cd709e2db034c7c2d97e2",
    MESH: "c7d54204ce0448474c7f3fa9af494787c0965cbdd6f20fc72867e43046bd43d5",
}

WEIGHTS_FOLDER: Final = Path(__file__).parent / "weights"

_CURE: Final = "Cure: `make weights`, or `python -m facebeam.transforms.local_model.fetch_weights`."


class WeightsError(RunError):
    """A network's weights are missing or are not the ones this project was measured with."""


def load_weights(name: str, folder: Path = WEIGHTS_FOLDER) -> bytes:
    """Read one network's weights, checked by their sha256.

    Args:
        name: `DETECTOR` or `MESH`.
        folder: the folder of the files.

    Raises:
        WeightsError: the file is missing, cannot be read, or has another sha256; the message says what to do.
    """
    path = folder / name
    try:
        content = path.read_bytes()
    except OSError as error:
        raise WeightsError(f"{path}: the local model needs this file: {error.strerror}. {_CURE}") from error
    found = sha256(content).hexdigest()
    if found != SHA256[name]:
        raise WeightsError(f"{path}: expected sha256 {SHA256[name]}, found {found}. {_CURE}")
    return content


def check_weights(folder: Path = WEIGHTS_FOLDER) -> None:
    """Check both networks' weights, in 4 ms; raises WeightsError if a file is missing or wrong."""
    for name in SHA256:
        load_weights(name, folder)
