"""The interface of a face source; the local model, the API and the fake source implement it."""

import sys
import time
from abc import abstractmethod
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Final, Protocol, Self

from facebeam.schemas.values import FoundFaces, ImageRequest

__all__ = ["FaceSource", "OpenSource"]

USUAL_WINDOW: Final = 8


class OpenSource(Protocol):
    """A face source while it is open: write a subclass with `attempt`. Many threads call it in parallel."""

    @abstractmethod
    def attempt(self, request: ImageRequest) -> FoundFaces:
        """Ask once about one image.

        Raises:
            FailureError: there is no answer; the fate of the error code says whether a retry may help.
        """

    def window(self) -> int:
        """Give the number of requests to have in flight now; it is limited by `largest_window`."""
        return sys.maxsize

    def may_retry(self) -> bool:
        """Tell whether one more retry is allowed, and count it."""
        return True

    def sleep(self, seconds: float) -> None:
        """Wait before a retry.

        Raises:
            FailureError, RunError: the retry is not possible any more.
        """
        time.sleep(seconds)

    def recall(self) -> None:
        """Count a request that this run sent before the engine retried the bundle.

        `AnnotateImages` calls this once per such answer in the journal, so that a budget counts it.
        """
        return

    def held_back_s(self) -> float:
        """Give the seconds so far during which the source waited on purpose, for example for its rate."""
        return 0.0

    def why_slow(self) -> str | None:
        """Say in a few words what the source waits for, besides its own work. None: for nothing."""
        return None

    def lane(self, request: ImageRequest) -> str:  # noqa: ARG002 - one lane for all
        """Name what a request shares with others and may have to wait for, such as the host of its image."""
        return ""

    def is_busy(self, lane: str) -> bool:  # noqa: ARG002 - never busy
        """Tell whether requests of a lane would have to wait now; requests of other lanes then go first."""
        return False


class FaceSource(Protocol):
    """Describes a face source; it can be pickled, and `open` makes it usable on the worker.

    Write a subclass with `name`, `identity` (each an attribute of the class, or a property) and `open`.

    A source makes single attempts only. `AnnotateImages` retries, asks once about equal images, and uses the
    journal, in the same way for all sources.
    """

    @property
    @abstractmethod
    def name(self) -> str:
        """The value of the column `source`."""

    @property
    @abstractmethod
    def identity(self) -> str:
        """Name and version of what answers; the journal reuses an answer only for the same identity."""

    @property
    def largest_window(self) -> int:
        """Largest number of requests that one shard has in flight."""
        return USUAL_WINDOW

    def settings(self) -> Mapping[str, str | float | None]:
        """Give what engines show beside the step, such as the rate; never a secret. None: not set."""
        return {}

    def for_shard(self, shard: int, shards: int) -> Self:  # noqa: ARG002 - no limit to divide
        """Give the source for one shard, with its part of limits such as a rate: shards run in parallel."""
        return self

    @abstractmethod
    def open(self) -> AbstractContextManager[OpenSource]:
        """Load models or open connections; leaving the context frees them."""
