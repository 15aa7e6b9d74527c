"""The local model in processes of its own, one a core: Python runs one thread of a process at a time."""

import asyncio
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import Final, Self

from runners.logs import LOGGER
from runners.service import model_process
from schemas.errors import ErrorCode, RunError
from schemas.values import Answer, Failure, FailureError, ImageRequest

_AHEAD: Final = 2
"""Images that a worker is given: one to look at, one to go on with while its answer travels."""


def _new_process() -> ProcessPoolExecutor:
    """Start a process; spawned, since a fork would copy the server's threads in the middle of their work."""
    pool = ProcessPoolExecutor(1, get_context("spawn"), initializer=model_process.start)
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

    async def annotate(self, data: bytes, request: ImageRequest) -> Answer:
        """Look at one image in the process with the least to do.

        Raises:
            FailureError: of stage `decode`; `busy`, where the process died over it or beside it.
        """
        async with self._turn:
            worker = min(self._workers, key=lambda each: each.images)
            worker.images += 1
            pool = worker.pool
            try:
                return await asyncio.wrap_future(pool.submit(model_process.annotate, data, request))
            except BrokenProcessPool:
                worker.replace(pool)
                raise FailureError(_BUSY) from None
            finally:
                worker.images -= 1


_BUSY: Final = Failure(
    ErrorCode.BUSY, "the model's process ended before its answer; ask again", stage="serve"
)
