"""The local model as a face source: fetch an image, decode it, find its faces."""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Self

from schemas.values import Answer, ImageRequest
from transforms.face_source import OpenSource
from transforms.image_fetch.fetch_image import ImageFetcher
from transforms.local_model.answer_image import answer_image
from transforms.local_model.face_model import FACE_MODEL_VERSION, FaceModel

DOWNLOADS_IN_FLIGHT = 8
"""Images that are fetched or wait for a model while the others are looked at: fetching is waiting."""

SWITCH_INTERVAL_S = 0.0001
"""A model that comes back from its network waits so long for the interpreter: Python's own 5 ms cost 6 %."""


@dataclass(frozen=True)
class LocalSource:
    """The local model as a face source.

    Args:
        fetcher: where the image's bytes come from.
        workers: models that work at the same time, each on one core.
    """

    fetcher: ImageFetcher
    workers: int = 1
    name: str = "local"

    @property
    def identity(self) -> str:
        """The model's version."""
        return f"local {FACE_MODEL_VERSION}"

    @property
    def largest_window(self) -> int:
        """Requests in flight: one for each model, and the downloads that keep them fed."""
        return self.workers + DOWNLOADS_IN_FLIGHT

    def for_shard(self, shard: int, shards: int) -> Self:  # noqa: ARG002 - every shard may do all
        """Give the source itself: it has no limits to share out."""
        return self

    @contextmanager
    def open(self) -> Iterator[OpenSource]:
        """Load a model for each worker."""
        before = sys.getswitchinterval()
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        try:
            with self._open() as opened:
                yield opened
        finally:
            sys.setswitchinterval(before)

    @contextmanager
    def _open(self) -> Iterator[OpenSource]:
        models: SimpleQueue[FaceModel] = SimpleQueue()
        for _ in range(self.workers):
            models.put(FaceModel())
        with self.fetcher.open() as fetch, ThreadPoolExecutor(self.workers, "model") as lookers:

            def annotate(request: ImageRequest) -> Answer:
                return lookers.submit(_look, models, fetch(request.image_url), request).result()

            yield OpenSource(annotate, lambda: self.largest_window)


def _look(models: SimpleQueue[FaceModel], data: bytes, request: ImageRequest) -> Answer:
    """Decode and look on one of as many threads as there are models, not on those that fetch.

    So no more images than workers are in memory decoded, and few threads have memory of that size: the same
    work on nine threads in turn takes a tenth more time and twice the memory.
    """
    model = models.get()
    try:
        return answer_image(model, data, request)
    finally:
        models.put(model)
