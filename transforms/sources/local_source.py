"""The local model as a face source: fetch an image, decode it, find its faces."""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from queue import SimpleQueue
from threading import Lock
from typing import Self

from facebeam.schemas.request_key import request_key
from facebeam.schemas.values import Answer, ImageRequest
from facebeam.transforms.images.fetch_image import ImageFetcher, host_of
from facebeam.transforms.local_model.answer_image import answer_image
from facebeam.transforms.local_model.face_model import FACE_MODEL_VERSION, FaceModel
from facebeam.transforms.sources.crash_notes import NO_NOTES, CrashNotes
from facebeam.transforms.sources.face_source import OpenSource

DOWNLOADS_IN_FLIGHT = 8
"""Images that are fetched or wait for a model while the others are looked at: fetching is waiting."""
MOST_WAITING = 256
"""Images that wait for their host's turn or for a retry; threads, and few hosts have more than a dozen."""

SWITCH_INTERVAL_S = 0.0001
"""A model that comes back from its network waits so long for the interpreter: Python's own 5 ms cost 6 %."""


@dataclass(frozen=True)
class LocalSource:
    """The local model as a face source.

    Args:
        fetcher: where the image's bytes come from.
        workers: models that work at the same time, each on one core.
        crashes: finds images on which the process dies. None: nobody looks for them.
    """

    fetcher: ImageFetcher
    workers: int = 1
    crashes: CrashNotes | None = None
    name: str = "local"

    @property
    def identity(self) -> str:
        """The model's version."""
        return f"local {FACE_MODEL_VERSION}"

    @property
    def largest_window(self) -> int:
        """Requests in flight: one for each model, the downloads that keep them fed, and those that wait."""
        return self.workers + DOWNLOADS_IN_FLIGHT + MOST_WAITING

    def for_shard(self, shard: int, shards: int) -> Self:
        """Give the same source with the shard's own notes; the limits of image hosts are each process's."""
        return replace(self, crashes=self.crashes and self.crashes.for_shard(shard, shards))

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
        models = _Models(self.workers)
        notes = self.crashes.open() if self.crashes else nullcontext(NO_NOTES)
        lookers = ThreadPoolExecutor(self.workers, "model")
        with notes as noted, self.fetcher.open() as fetch, lookers:

            def look(data: bytes, request: ImageRequest) -> Answer:
                key = request_key(self.identity, request)
                with models.take(alone=noted.is_suspect(key)) as model, noted.looking_at(key):
                    return answer_image(model, data, request)

            def annotate(request: ImageRequest) -> Answer:
                """Decode and look on one of as many threads as there are models, not on those that fetch.

                So no more images than workers are in memory decoded, and few threads have memory of that
                size: the same work on nine threads in turn takes a tenth more time and twice the memory.
                """
                return lookers.submit(look, fetch(request.image_url), request).result()

            def window() -> int:
                return self.workers + DOWNLOADS_IN_FLIGHT + min(fetch.turns.waiting, MOST_WAITING)

            yield OpenSource(
                annotate,
                window,
                sleep=fetch.turns.sleep,
                lane=lambda request: host_of(request.image_url),
                is_busy=fetch.turns.is_busy,
            )


class _Models:
    """Models that are taken for one image at a time."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._free: SimpleQueue[FaceModel] = SimpleQueue()
        self._taking = Lock()
        for _ in range(number):
            self._free.put(FaceModel())

    @contextmanager
    def take(self, *, alone: bool) -> Iterator[FaceModel]:
        """Wait for a model; `alone` for all of them, so that no other image is looked at meanwhile."""
        with self._taking:  # one image collects at a time: two would wait for each other's models
            taken = [self._free.get() for _ in range(self._number if alone else 1)]
        try:
            yield taken[0]
        finally:
            for model in taken:
                self._free.put(model)
