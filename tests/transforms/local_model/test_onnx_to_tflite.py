"""A network that was written as ONNX gives the same answers as LiteRT."""

import numpy as np
import pytest

from facebeam.transforms.local_model.network import Network
from facebeam.transforms.local_model.onnx_graph import read_onnx
from facebeam.transforms.local_model.weights import DETECTOR

_REFERENCE = (0.00642115, 0.00274124, 2.09718, -0.00435223, 0.504028)
"""Largest heat, and means of heat, sizes, offsets and points, of onnxruntime 1.32.0 on the same picture."""


def picture() -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Give waves of three colours: float32[96, 128, 3] of 0 to 255."""
    rows, columns = np.indices((96, 128))
    waves = [np.sin(rows / 9) * np.cos(columns / 7), np.sin(columns / 11), np.cos(rows / 5 + columns / 13)]
    return (127.5 + 127.5 * np.stack(waves, axis=2)).astype(np.float32)


def test_the_converted_detector_answers_as_the_original() -> None:
    """CenterFace's answer to a picture is onnxruntime's answer to the file that it was converted from."""
    (answer,) = Network(DETECTOR).run(picture())
    assert answer.shape == (24, 32, 15)
    heat = 1 / (1 + np.exp(-answer[..., 0]))
    found = (
        heat.max(),
        heat.mean(),
        answer[..., 1:3].mean(),
        answer[..., 3:5].mean(),
        answer[..., 5:].mean(),
    )
    assert found == pytest.approx(_REFERENCE, rel=1e-4)


@pytest.mark.parametrize("content", [b"", b"<html>no network</html>", b"\x3a\xff", b"\x3a\x02\x0a"])
def test_what_is_no_onnx_file_is_refused(content: bytes) -> None:
    """Bytes without a graph are a ValueError, whatever they are."""
    with pytest.raises(ValueError, match="ONNX"):
        read_onnx(content)
