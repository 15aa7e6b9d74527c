"""What runs in a worker process: one local model, loaded once, that looks at one image after the other."""

import os
import signal
from functools import cache
from multiprocessing import parent_process
from threading import Thread

from schemas.values import Answer, ImageRequest
from transforms.local_model.answer_image import answer_image
from transforms.local_model.face_model import FaceModel


def start() -> None:
    """Load the model. The process ends when the server says so or dies, not by a signal meant for both."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    Thread(target=_end_with_parent, daemon=True).start()
    _model()


def annotate(data: bytes, request: ImageRequest) -> Answer:
    """Decode and look at one image; raises FailureError of stage `decode`."""
    return answer_image(_model(), data, request)


@cache
def _model() -> FaceModel:
    return FaceModel()


def _end_with_parent() -> None:
    """Wait for the parent's end: a killed one cannot tell its workers, who would wait for work for ever."""
    if parent := parent_process():
        parent.join()
        os._exit(1)
