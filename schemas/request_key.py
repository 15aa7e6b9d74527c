"""The name of one paid question: equal questions have equal keys, in every run and on every machine."""

from functools import cache
from hashlib import sha256
from typing import Final

from facebeam.schemas.values import ImageRequest

BUCKETS: Final = 256
"""Folders of the journal; a key's first byte is its bucket."""


def request_key(identity: str, request: ImageRequest) -> bytes:
    """Digest what decides an answer: who is asked (host or model, and version), the URL, the parameters.

    Returns:
        32 bytes, a sha256; parts are told apart by their lengths.
    """
    url = _part(request.image_url)
    return sha256(_whom(identity) + url + _how(request.mode, request.need_rotate_detection)).digest()


def _part(text: str) -> bytes:
    encoded = text.encode("utf-8", "surrogatepass")
    return b"%d:%b" % (len(encoded), encoded)


_whom: Final = cache(_part)


@cache
def _how(mode: int, need_rotate_detection: int) -> bytes:
    return _part(str(mode)) + _part(str(need_rotate_detection))


def bucket_of(key: bytes) -> int:
    """Give a key's bucket, 0 to 255."""
    return key[0]
