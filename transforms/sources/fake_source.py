"""A face source that makes up faces without images: to try out a run, or to test and measure the pipeline."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final
from zlib import crc32

import numpy as np

from facebeam.schemas.errors import ErrorCode
from facebeam.schemas.landmarks import LANDMARK_COUNT
from facebeam.schemas.values import Face, Failure, FailureError, FoundFaces, ImageRequest
from facebeam.transforms.sources.face_source import FaceSource, OpenSource

_FAILS: Final = re.compile(f"/fail-({'|'.join(ErrorCode)})/")
_WIDTH, _HEIGHT = 640, 480
_CIRCLE: Final = np.stack(
    [np.cos(np.arange(LANDMARK_COUNT) / 7), np.sin(np.arange(LANDMARK_COUNT) / 7)], axis=1
).astype(np.float32)


def fake_faces(request: ImageRequest) -> FoundFaces:
    """Make up 0 to 3 faces from the URL alone, always the same ones for the same URL.

    A URL that contains `/fail-<error code>/` fails with that code.
    """
    if failing := _FAILS.search(request.image_url):
        code = ErrorCode.named(failing[1])
        raise FailureError(Failure(code, f"{request.image_url} asks to fail with {code}", stage="annotate"))
    digest = crc32(request.image_url.encode())
    count = min(digest % 4, 1) if request.mode == 1 else digest % 4
    return FoundFaces(
        faces=tuple(Face(_CIRCLE * (20 + digest % 100) + np.float32(100 * (i + 1))) for i in range(count)),
        image_width=_WIDTH,
        image_height=_HEIGHT,
        face_model_version="fake-1",
    )


class OpenFake(OpenSource):
    """The fake source while it is open; it has nothing to load."""

    def attempt(self, request: ImageRequest) -> FoundFaces:
        """Make up faces."""
        return fake_faces(request)


@dataclass(frozen=True)
class FakeSource(FaceSource):
    """The fake source."""

    name = "fake"
    identity = "fake 1"

    @contextmanager
    def open(self) -> Iterator[OpenSource]:
        """Give the open fake source."""
        yield OpenFake()
