"""The local model as a face source: fetch an image, decode it, find its faces."""

import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime
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
from facebeam.transforms.sources.end_time import check_end_time, shown_end_time
from facebeam.transforms.sources.face_source import FaceSource, OpenSource

__all__ = ["LocalSource"]

DOWNLOADS_IN_FLIGHT = 8
"""Number of images that are being fetched or wait for a model, so that the models always have work."""
MOST_WAITING = 256
"""Largest number of images that wait for a turn at their host or for a retry; each of them takes a thread."""

SWITCH_INTERVAL_S = 0.0001
"""Longest time that a thread waits for Python's interpreter lock when its network has finished.

With Python's default of 5 ms, the model is 6 % slower.
"""


@dataclass(frozen=True)
class LocalSource(FaceSource):
    """The local model as a face source.

    Args:
        fetcher: fetches the bytes of images.
        workers: number of models that run in parallel, each on one CPU core.
        crashes: finds images that kill the process. None: such images are not looked for.
        stop_at: time, with a time zone, from which no image is begun. None: no limit.
    """

    fetcher: ImageFetcher
    workers: int = 1
    crashes: CrashNotes | None = None
    stop_at: datetime | None = None

    name = "local"

    @property
    def identity(self) -> str:
        """Version of the local model."""
        return f"local {FACE_MODEL_VERSION}"

    @property
    def largest_window(self) -> int:
        """Largest number of requests in flight: one per model, the downloads, and those that wait."""
        return self.workers + DOWNLOADS_IN_FLIGHT + MOST_WAITING

    def settings(self) -> Mapping[str, str | float | None]:
        """Give the number of models per shard, and the end time."""
        return {"models": self.workers, "stop_at": shown_end_time(self.stop_at)}

    def for_shard(self, shard: int, shards: int) -> Self:
        """Give the source with the shard's own crash notes; limits of image hosts are per process."""
        return replace(self, crashes=self.crashes and self.crashes.for_shard(shard, shards))

    @contextmanager
    def open(self) -> Iterator[OpenSource]:
        """Load the models."""
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
    """The models of one shard, and the threads and connections that supply them with images."""

    source: LocalSource
    models: "_Models"
    noted: OpenCrashNotes
    fetch: OpenFetcher
    lookers: ThreadPoolExecutor
    """One thread per model, which decodes images and runs the models; other threads fetch.

    So there are at most `workers` decoded images in memory, and few threads that allocate that much. If nine
    threads took turns at this work, it would take 10 % more time and twice the memory.
    """

    def attempt(self, request: ImageRequest) -> FoundFaces:
        """Fetch an image and find its faces; `latency_ms` leaves out the waits for host and model."""
        check_end_time(self.source.stop_at, datetime.now(UTC))
        began, waited_s = monotonic(), self.fetch.turns.waited_s
        data = self.fetch(request.image_url)
        fetched_s = monotonic() - began - (self.fetch.turns.waited_s - waited_s)
        return self.lookers.submit(self._look, data, request, fetched_s).result()

    def window(self) -> int:
        """Give the number of requests to have in flight: one per model, downloads, and those that wait."""
        waiting = min(self.fetch.turns.waiting, MOST_WAITING)
        return self.source.workers + DOWNLOADS_IN_FLIGHT + waiting

    def sleep(self, seconds: float) -> None:
        """Wait before a retry; meanwhile the window is larger by one request."""
        self.fetch.turns.sleep(seconds)

    def why_slow(self) -> str | None:
        """Say which image host asked for a pause."""
        return self.fetch.turns.why_slow()

    def lane(self, request: ImageRequest) -> str:
        """Give the host of the image."""
        return host_of(request.image_url)

    def is_busy(self, lane: str) -> bool:
        """Tell whether so many requests use the host or wait for it that others should go first."""
        return self.fetch.turns.is_busy(lane)

    def _look(self, data: bytes, request: ImageRequest, fetched_s: float) -> FoundFaces:
        key = request_key(self.source.identity, request)
        with self.models.take(alone=self.noted.is_suspect(key)) as model, self.noted.looking_at(key):
            began = monotonic()
            found = answer_image(model, data, request)
            return replace(found, latency_ms=(fetched_s + monotonic() - began) * 1000)


class _Models:
    """The models of one shard; each processes one image at a time."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._free: SimpleQueue[FaceModel] = SimpleQueue()
        self._taking = Lock()
        for _ in range(number):
            self._free.put(FaceModel())

    @contextmanager
    def take(self, *, alone: bool) -> Iterator[FaceModel]:
        """Wait for a model; `alone`: wait for all models, so that no other image is processed meanwhile."""
        with self._taking:  # only one thread takes models at a time: two would wait for each other's
            taken = [self._free.get() for _ in range(self._number if alone else 1)]
        try:
            yield taken[0]
        finally:
            for model in taken:
                self._free.put(model)
