"""The local model as a face source: fetch an image, decode it, find its faces."""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from queue import SimpleQueue
from threading import Lock
from time import monotonic
from typing import Self

from facebeam.schemas.request_key import request_key
from facebeam.schemas.values import FoundFaces, ImageRequest
from facebeam.transforms.images.fetch_image import ImageFetcher, OpenFetcher, host_of
from facebeam.transforms.local_model.answer_image import answer_image
from facebeam.transforms.local_model.face_model import FaceModel
from facebeam.transforms.local_model.version import FACE_MODEL_VERSION
from facebeam.transforms.sources.crash_notes import NO_NOTES, CrashNotes, OpenCrashNotes
from facebeam.transforms.sources.face_source import FaceSource, OpenSource

__all__ = ["LocalSource"]

DOWNLOADS_IN_FLIGHT = 8
"""Images that are fetched or wait for a model while the others are looked at: fetching is waiting."""
MOST_WAITING = 256
"""Images that wait for their host's turn or for a retry; threads, and few hosts have more than a dozen."""

SWITCH_INTERVAL_S = 0.0001
"""A model that comes back from its network waits so long for the interpreter: Python's own 5 ms cost 6 %."""


@dataclass(frozen=True)
class LocalSource(FaceSource):
    """The local model as a face source.

    Args:
        fetcher: where the image's bytes come from.
        workers: models that work at the same time, each on one core.
        crashes: finds images on which the process dies. None: nobody looks for them.
    """

    fetcher: ImageFetcher
    workers: int = 1
    crashes: CrashNotes | None = None

    name = "local"

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
            yield _OpenLocal(self, models, noted, fetch, lookers)


@dataclass(frozen=True)
class _OpenLocal(OpenSource):
    """The models of one shard, and who feeds them."""

    source: LocalSource
    models: "_Models"
    noted: OpenCrashNotes
    fetch: OpenFetcher
    lookers: ThreadPoolExecutor
    """As many threads as there are models, which decode and look; those that fetch do not.

    So no more images than workers are in memory decoded, and few threads have memory of that size: the same
    work on nine threads in turn takes a tenth more time and twice the memory.
    """

    def attempt(self, request: ImageRequest) -> FoundFaces:
        """Fetch an image, and look at it when a model is free; neither wait is in `latency_ms`."""
        began, waited_s = monotonic(), self.fetch.turns.waited_s
        data = self.fetch(request.image_url)
        fetched_s = monotonic() - began - (self.fetch.turns.waited_s - waited_s)
        return self.lookers.submit(self._look, data, request, fetched_s).result()

    def window(self) -> int:
        """Give a place for each model, for the downloads that feed them, and for each request that waits."""
        waiting = min(self.fetch.turns.waiting, MOST_WAITING)
        return self.source.workers + DOWNLOADS_IN_FLIGHT + waiting

    def sleep(self, seconds: float) -> None:
        """Wait before a retry, in a place of its own in the window."""
        self.fetch.turns.sleep(seconds)

    def why_slow(self) -> str | None:
        """Say which image host asked for a pause."""
        return self.fetch.turns.why_slow()

    def lane(self, request: ImageRequest) -> str:
        """Name the image's host."""
        return host_of(request.image_url)

    def is_busy(self, lane: str) -> bool:
        """Tell whether the host has as many downloads as it may have."""
        return self.fetch.turns.is_busy(lane)

    def _look(self, data: bytes, request: ImageRequest, fetched_s: float) -> FoundFaces:
        key = request_key(self.source.identity, request)
        with self.models.take(alone=self.noted.is_suspect(key)) as model, self.noted.looking_at(key):
            began = monotonic()
            found = answer_image(model, data, request)
            return replace(found, latency_ms=(fetched_s + monotonic() - began) * 1000)


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
