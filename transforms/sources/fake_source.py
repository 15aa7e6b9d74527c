"""A face source without photographs: to rehearse a run, and to test and measure the pipeline alone."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Self
from zlib import crc32

import numpy as np

from facebeam.schemas.errors import ErrorCode
from facebeam.schemas.landmarks import LANDMARK_COUNT
from facebeam.schemas.values import Answer, Face, Failure, FailureError, ImageRequest
from facebeam.transforms.sources.face_source import OpenSource

_FAILS: Final = re.compile(f"/fail-({'|'.join(ErrorCode)})/")
_WIDTH, _HEIGHT = 640, 480
_CIRCLE: Final = np.stack(
    [np.cos(np.arange(LANDMARK_COUNT) / 7), np.sin(np.arange(LANDMARK_COUNT) / 7)], axis=1
).astype(np.float32)


def fake_answer(request: ImageRequest) -> Answer:
    """Make up an answer from the URL alone: 0 to 3 faces, always the same for the same URL.

    A URL with `/fail-<error code>/` in it fails with that code.
    """
    if failing := _FAILS.search(request.image_url):
        code = ErrorCode.named(failing[1])
        raise FailureError(Failure(code, f"{request.image_url} asks to fail with {code}", stage="annotate"))
    digest = crc32(request.image_url.encode())
    count = min(digest % 4, 1) if request.mode == 1 else digest % 4
    faces = tuple(Face(_CIRCLE * (20 + digest % 100) + np.float32(100 * (i + 1))) for i in range(count))
    return Answer(faces, _WIDTH, _HEIGHT, source="fake", face_model_version="fake-1")


@dataclass(frozen=True)
class FakeSource:
    """The fake as a face source."""

    name: str = "fake"
    identity: str = "fake 1"
    largest_window: int = 8

    def for_shard(self, shard: int, shards: int) -> Self:  # noqa: ARG002 - every shard may do all
        """Give the source itself: it has no limits to share out."""
        return self

    @contextmanager
    def open(self) -> Iterator[OpenSource]:
        """Give `fake_answer`: there is nothing to load."""
        yield OpenSource(fake_answer, lambda: self.largest_window)
