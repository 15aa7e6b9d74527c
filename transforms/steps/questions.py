"""What a row asks, and which rows ask the same."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from facebeam.schemas.request_key import request_key
from facebeam.schemas.values import ImageRequest, ManifestRow

__all__ = ["Question"]


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is asked of every image of a run.

    Args:
        mode: 0 all faces, 1 the largest.
        need_rotate_detection: 1 looks for turned faces too.
    """

    mode: int = 0
    need_rotate_detection: int = 0

    def request(self, row: ManifestRow) -> ImageRequest:
        """Give the request that answers a row."""
        return ImageRequest(row.image_url, self.mode, self.need_rotate_detection)

    def key(self, identity: str, row: ManifestRow) -> bytes:
        """Give the key under which a row's answer is paid for once; `identity` is that of who is asked."""
        return request_key(identity, self.request(row))


class Asked(NamedTuple):
    """One distinct image, and the rows that ask for it."""

    request: ImageRequest
    rows: list[ManifestRow]


def group_by_question(rows: Iterable[ManifestRow], question: Question, identity: str) -> dict[bytes, Asked]:
    """Group rows by the key of what they ask, sorted by it: answers then come bucket by bucket.

    Shape: n rows of m distinct URLs -> m keys, n rows in all.
    """
    asked: dict[bytes, Asked] = {}
    for row in rows:
        key = question.key(identity, row)
        if key not in asked:
            asked[key] = Asked(question.request(row), [])
        asked[key].rows.append(row)
    return dict(sorted(asked.items()))
