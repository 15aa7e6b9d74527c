"""Run one neural network with LiteRT, in one thread."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Final

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from facebeam.transforms.local_model.weights import load_weights


class Network:
    """A loaded network with one input, an RGB image.

    Do not share it between threads: LiteRT raises RuntimeError when two threads use one interpreter. The
    network runs on XNNPACK, LiteRT's default, and only in the calling thread. For more speed, use more
    workers.
    """

    def __init__(self, weights: str) -> None:
        """Load a network by the name of its weights; raises WeightsError if they are missing or wrong."""
        self._interpreter: Final = Interpreter(model_content=load_weights(weights), num_threads=1)
        with _without_greeting():
            self._interpreter.allocate_tensors()
        (entry,) = self._interpreter.get_input_details()
        self._input: Final[int] = entry["index"]
        self._outputs: Final[list[int]] = [out["index"] for out in self._interpreter.get_output_details()]
        self._shape: tuple[int, ...] = tuple(int(size) for size in entry["shape"][1:])
        self.side: Final[int] = self._shape[0]
        """Side of the input in the file, in pixels; useful only for a network with a fixed input size."""

    def run(self, image: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Run the network on one image: float32[height, width, 3] -> all outputs, without the batch axis."""
        if image.shape != self._shape:
            self._interpreter.resize_tensor_input(self._input, (1, *image.shape))
            self._interpreter.allocate_tensors()
            self._shape = image.shape
        self._interpreter.set_tensor(self._input, image[np.newaxis])
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(index)[0] for index in self._outputs]


_STDERR: Final = 2
_GREETING: Final = Lock()
"""Only one thread at a time may redirect stderr: two at a time could leave it redirected."""


@contextmanager
def _without_greeting() -> Iterator[None]:
    """Hide LiteRT's "Created TensorFlow Lite XNNPACK delegate" on stderr, which no setting turns off.

    LiteRT writes this line to the file descriptor, not to Python's sys.stderr. No error is hidden, because
    LiteRT raises errors as exceptions.
    """
    with _GREETING, open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - a device
        stderr = os.dup(_STDERR)
        os.dup2(nowhere.fileno(), _STDERR)
        try:
            yield
        finally:
            os.dup2(stderr, _STDERR)
            os.close(stderr)
