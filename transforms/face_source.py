"""What annotates an image: the one interface behind which the local model, the API and the fake stand."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

from schemas.values import Answer, ImageRequest

Attempt = Callable[[ImageRequest], Answer]
"""Ask once for one image. Many threads may call it at the same time.

Raises `FailureError` with the failure's code, whose fate says whether asking again can help.
"""


class FaceSource(Protocol):
    """A face source is a picklable description; `open` makes it live on the worker.

    It makes single attempts only. Retries, duplicates and fan-out are the same for all sources and
    stand in `AnnotateImages`.
    """

    @property
    def name(self) -> str:
        """The value of the column `source`."""

    @property
    def window(self) -> int:
        """Requests that one shard keeps in flight to have the source busy."""

    def open(self) -> AbstractContextManager[Attempt]:
        """Load models, open connections; leaving the context frees them."""
