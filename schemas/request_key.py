"""The name of one paid question: equal questions have equal keys, in every run and on every machine."""

from hashlib import sha256
from typing import Final

from schemas.values import ImageRequest

BUCKETS: Final = 256
"""Folders of the journal; a key's first byte is its bucket."""


def request_key(identity: str, request: ImageRequest) -> bytes:
    """Digest what decides an answer: who is asked (host or model, and version), the URL, the parameters.

    Returns:
        32 bytes, a sha256; parts are told apart by their lengths.
    """
    parts = (identity, *map(str, request))
    encoded = [part.encode("utf-8", "surrogatepass") for part in parts]
    return sha256(b"".join(b"%d:%b" % (len(part), part) for part in encoded)).digest()


def bucket_of(key: bytes) -> int:
    """Give a key's bucket, 0 to 255."""
    return key[0]
