"""What annotates an image: the one interface behind which the local model, the API and the fake stand."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from time import sleep as real_sleep
from typing import Protocol, Self

from facebeam.schemas.values import Answer, ImageRequest

Attempt = Callable[[ImageRequest], Answer]
"""Ask once for one image. Many threads may call it at the same time.

Raises `FailureError` with the failure's code, whose fate says whether asking again can help.
"""


def always() -> bool:
    """Say yes: nothing limits a retry, nobody else has the shard."""
    return True


def no(_lane: str) -> bool:
    """Say no: nothing has to wait."""
    return False


def one_lane(_request: ImageRequest) -> str:
    """Have all requests in one lane."""
    return ""


def forget() -> None:
    """Take no note: what was asked before changes nothing."""


def never() -> float:
    """Hold nothing back."""
    return 0.0


@dataclass(frozen=True)
class OpenSource:
    """A live face source.

    Args:
        attempt: asks once.
        window: requests that are to be in flight just now to have the source busy.
        may_retry: whether the run can afford one more retry.
        sleep: waits before a retry; raises where waiting has become pointless.
        recall: is told of each answer that this run has had already, in a bundle that the engine repeats.
        held_back_s: seconds so far in which the source could have done more, had it been allowed to.
        lane: what a request shares with others that may have to wait, such as the host of its image.
        is_busy: whether requests of a lane would have to wait now, so that others go first.
    """

    attempt: Attempt
    window: Callable[[], int]
    may_retry: Callable[[], bool] = always
    sleep: Callable[[float], None] = real_sleep
    recall: Callable[[], None] = forget
    held_back_s: Callable[[], float] = never
    lane: Callable[[ImageRequest], str] = one_lane
    is_busy: Callable[[str], bool] = no


class FaceSource(Protocol):
    """A face source is a picklable description; `open` makes it live on the worker.

    It makes single attempts only. Retries, duplicates, the journal and fan-out are the same for all sources
    and stand in `AnnotateImages`.
    """

    @property
    def name(self) -> str:
        """The value of the column `source`."""

    @property
    def identity(self) -> str:
        """Who is asked, down to the version: answers of another identity are other answers."""

    @property
    def largest_window(self) -> int:
        """The most requests that one shard ever has in flight."""

    def for_shard(self, shard: int, shards: int) -> Self:
        """Give a shard's part of what the source may do: all shards may be at work at the same time."""

    def open(self) -> AbstractContextManager[OpenSource]:
        """Load models, open connections; leaving the context frees them."""
