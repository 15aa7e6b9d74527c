"""Worker processes, each with a local model, and the queue of images before them."""

import asyncio
import os
import signal
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from functools import cache
from multiprocessing import get_context, parent_process
from threading import Thread
from typing import Final, Self

from facebeam.runners.logs import LOGGER
from facebeam.schemas.errors import ErrorCode, RunError
from facebeam.schemas.values import Failure, FailureError, FoundFaces, ImageRequest
from facebeam.transforms.local_model.answer_image import answer_image
from facebeam.transforms.local_model.face_model import FaceModel


def start() -> None:
    """Load the model. The process ends with the server, and ignores signals, which go to both processes."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    Thread(target=_end_with_parent, daemon=True).start()
    _model()


def annotate(data: bytes, request: ImageRequest) -> FoundFaces:
    """Decode one image and find its faces; raises FailureError of stage `decode`."""
    return answer_image(_model(), data, request)


@cache
def _model() -> FaceModel:
    return FaceModel()


def _end_with_parent() -> None:
    """Exit when the parent ends: a killed parent cannot stop its workers, and they would wait forever."""
    if parent := parent_process():
        parent.join()
        os._exit(1)


_AHEAD: Final = 2
"""Images that a worker gets at a time: it can begin the second one while the first answer is sent back."""


def _new_process() -> ProcessPoolExecutor:
    """Start a process by spawn, since a fork would copy the state of the server's threads in mid-work."""
    pool = ProcessPoolExecutor(1, get_context("spawn"), initializer=start)
    pool.submit(int)  # the pool starts its process with the first work
    return pool


@dataclass
class _Worker:
    pool: ProcessPoolExecutor = field(default_factory=_new_process)
    """A pool of one process: if the process dies, only this pool is broken."""
    images: int = 0

    def replace(self, broken: ProcessPoolExecutor) -> None:
        """Replace a broken process by a new one; called for each of its images, but done only once."""
        if self.pool is broken:
            LOGGER.warning("a model's process ended unexpectedly; a new one replaces it")
            broken.shutdown(wait=False)
            self.pool = _new_process()


class ModelWorkers:
    """Runs `count` processes, each with a model; a context manager."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._turn = asyncio.Semaphore(_AHEAD * count)
        self._workers: list[_Worker] = []

    def __enter__(self) -> Self:
        """Wait until every model is loaded; raises RunError if one cannot be loaded."""
        self._workers = [_Worker() for _ in range(self._count)]
        try:
            for worker in self._workers:
                worker.pool.submit(int).result()
        except BrokenProcessPool:
            raise RunError("the local model could not be loaded; see the error above") from None
        return self

    def __exit__(self, *_: object) -> None:
        """End the processes when they have finished their work."""
        for worker in self._workers:
            worker.pool.shutdown()

    async def annotate(self, data: bytes, request: ImageRequest) -> FoundFaces:
        """Find the faces of one image in the process with the fewest images.

        Raises:
            FailureError: of stage `decode`; or `busy` if the process died on this image or on another one.
        """
        async with self._turn:
            worker = min(self._workers, key=lambda each: each.images)
            worker.images += 1
            pool = worker.pool
            try:
                return await asyncio.wrap_future(pool.submit(annotate, data, request))
            except BrokenProcessPool:
                worker.replace(pool)
                raise FailureError(_BUSY) from None
            finally:
                worker.images -= 1


_BUSY: Final = Failure(
    ErrorCode.BUSY, "the model's process ended before its answer; send it again", stage="serve"
)
