"""What a run asks about each image, and how rows with the same question are grouped."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from facebeam.schemas.request_key import request_key
from facebeam.schemas.values import ImageRequest, ManifestRow

__all__ = ["Question"]


@dataclass(frozen=True, kw_only=True)
class Question:
    """What a run asks about each of its images.

    Args:
        mode: 0: all faces, 1: the largest face.
        need_rotate_detection: 1: look for turned faces too.
    """

    mode: int = 0
    need_rotate_detection: int = 0

    def request(self, row: ManifestRow) -> ImageRequest:
        """Give the request for a row's image."""
        return ImageRequest(row.image_url, self.mode, self.need_rotate_detection)

    def key(self, identity: str, row: ManifestRow) -> bytes:
        """Give the key under which the journal stores a row's answer; `identity` is the face source's."""
        return request_key(identity, self.request(row))


class Asked(NamedTuple):
    """The request for one distinct image, and the rows with this image."""

    request: ImageRequest
    rows: list[ManifestRow]


def group_by_question(rows: Iterable[ManifestRow], question: Question, identity: str) -> dict[bytes, Asked]:
    """Group rows by the key of their request, sorted by key, so that a flush of the journal writes few files.

    Shape: n rows with m distinct URLs -> m keys with n rows in all
    """
    asked: dict[bytes, Asked] = {}
    for row in rows:
        key = question.key(identity, row)
        if key not in asked:
            asked[key] = Asked(question.request(row), [])
        asked[key].rows.append(row)
    return dict(sorted(asked.items()))
