"""What annotates an image: the one interface behind which the local model, the API and the fake stand."""

import sys
import time
from abc import abstractmethod
from contextlib import AbstractContextManager
from typing import Final, Protocol, Self

from facebeam.schemas.values import FoundFaces, ImageRequest

__all__ = ["FaceSource", "OpenSource"]

USUAL_WINDOW: Final = 8


class OpenSource(Protocol):
    """A live face source: write a subclass with `attempt`. Many threads call it at the same time."""

    @abstractmethod
    def attempt(self, request: ImageRequest) -> FoundFaces:
        """Ask once for one image.

        Raises:
            FailureError: why there is no answer; the fate of its code says whether asking again can help.
        """

    def window(self) -> int:
        """Give the requests that are to be in flight just now; `largest_window` is the most in any case."""
        return sys.maxsize

    def may_retry(self) -> bool:
        """Tell whether the run can afford one more retry, and count it."""
        return True

    def sleep(self, seconds: float) -> None:
        """Wait before a retry.

        Raises:
            FailureError, RunError: waiting has become pointless.
        """
        time.sleep(seconds)

    def recall(self) -> None:
        """Take note of an answer that this run has had already, in a bundle that the engine repeats."""
        return

    def held_back_s(self) -> float:
        """Give the seconds so far in which the source could have done more, had it been allowed to."""
        return 0.0

    def why_slow(self) -> str | None:
        """Say in a few words what the source waits for, besides its own work; None: for nothing."""
        return None

    def lane(self, request: ImageRequest) -> str:  # noqa: ARG002 - all are in one
        """Name what a request shares with others that may have to wait, such as the host of its image."""
        return ""

    def is_busy(self, lane: str) -> bool:  # noqa: ARG002 - none is
        """Tell whether requests of a lane would have to wait now, so that others go first."""
        return False


class FaceSource(Protocol):
    """A face source is a picklable description; `open` makes it live on the worker.

    Write a subclass with `name`, `identity` (each an attribute of the class, or a property) and `open`.

    It makes single attempts only. Retries, duplicates, the journal and fan-out are the same for all sources
    and stand in `AnnotateImages`.
    """

    @property
    @abstractmethod
    def name(self) -> str:
        """The value of the column `source`."""

    @property
    @abstractmethod
    def identity(self) -> str:
        """Who is asked, down to the version: answers of another identity are other answers."""

    @property
    def largest_window(self) -> int:
        """The most requests that one shard ever has in flight."""
        return USUAL_WINDOW

    def for_shard(self, shard: int, shards: int) -> Self:  # noqa: ARG002 - every shard may do all
        """Give a shard's part of what the source may do: all shards may be at work at the same time."""
        return self

    @abstractmethod
    def open(self) -> AbstractContextManager[OpenSource]:
        """Load models, open connections; leaving the context frees them."""
