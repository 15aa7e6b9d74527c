"""The journal's key of a request: equal requests have equal keys, in every run and on every machine."""

from functools import cache
from hashlib import sha256
from typing import Final

from facebeam.schemas.values import ImageRequest

BUCKETS: Final = 256
"""Number of the journal's folders, called buckets. With another number, runs do not find stored answers."""


def request_key(identity: str, request: ImageRequest) -> bytes:
    """Digest everything that an answer depends on: the face source, the URL and the parameters.

    Args:
        identity: the face source: its host or model, and its version.
        request: the URL and the parameters.

    Returns:
        A sha256, 32 bytes. Each part is digested with its length, so that different parts never give the
        same text.
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
    """Give a key's bucket, its first byte: 0 to 255."""
    return key[0]
