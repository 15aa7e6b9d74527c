"""Worker processes with a local model each, and the queue before them."""

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
    """Load the model. The process ends when the server says so or dies, not by a signal meant for both."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    Thread(target=_end_with_parent, daemon=True).start()
    _model()


def annotate(data: bytes, request: ImageRequest) -> FoundFaces:
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


_AHEAD: Final = 2
"""Images that a worker is given: one to look at, one to go on with while its answer travels."""


def _new_process() -> ProcessPoolExecutor:
    """Start a process; spawned, since a fork would copy the server's threads in the middle of their work."""
    pool = ProcessPoolExecutor(1, get_context("spawn"), initializer=start)
    pool.submit(int)  # a process is started by its first work
    return pool


@dataclass
class _Worker:
    pool: ProcessPoolExecutor = field(default_factory=_new_process)
    """A pool of one process: one that dies takes down its own pool only."""
    images: int = 0

    def replace(self, broken: ProcessPoolExecutor) -> None:
        """Put a new process in the place of a broken one, which all its images report."""
        if self.pool is broken:
            LOGGER.warning("a model's process ended on its own; a new one takes its place")
            broken.shutdown(wait=False)
            self.pool = _new_process()


class ModelWorkers:
    """So many processes with a model each; a context, in which they run."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._turn = asyncio.Semaphore(_AHEAD * count)
        self._workers: list[_Worker] = []

    def __enter__(self) -> Self:
        """Wait until every model is loaded; raises RunError where one cannot be."""
        self._workers = [_Worker() for _ in range(self._count)]
        try:
            for worker in self._workers:
                worker.pool.submit(int).result()
        except BrokenProcessPool:
            raise RunError("the local model could not be loaded; its process says why above") from None
        return self

    def __exit__(self, *_: object) -> None:
        """End the processes once they have done their work."""
        for worker in self._workers:
            worker.pool.shutdown()

    async def annotate(self, data: bytes, request: ImageRequest) -> FoundFaces:
        """Look at one image in the process with the least to do.

        Raises:
            FailureError: of stage `decode`; `busy`, where the process died over it or beside it.
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
    ErrorCode.BUSY, "the model's process ended before its answer; ask again", stage="serve"
)
