"""A PNG without the chunks that say nothing of its pixels: texts that are large or damaged do not cost it."""

import struct
import zlib
from collections.abc import Iterator
from typing import Final

SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_ABOUT_PIXELS: Final = frozenset({b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"eXIf"})
"""The ancillary chunks that are kept: transparency, colours, orientation."""
_MOST_PROFILE_BYTES: Final = 2**20
"""Pillow refuses an image whose unpacked profile is longer."""


def without_texts(data: bytes) -> bytes:
    """Give a PNG with its critical chunks and those about pixels; anything else as it is.

    As libpng does it, an ancillary chunk with a wrong checksum is dropped. Of an animation, the first frame
    stays. What is not a chunk is kept, for the decoder to judge.
    """
    if not data.startswith(SIGNATURE):
        return data
    view = memoryview(data)
    chunks = [*_chunks(view)]
    kept = [chunk for chunk in chunks if _is_kept(chunk)]
    if len(kept) == len(chunks):
        return data
    rest = len(SIGNATURE) + sum(map(len, chunks))
    return b"".join([SIGNATURE, *kept, view[rest:]])


def _chunks(data: memoryview) -> Iterator[memoryview]:
    """Yield the whole chunks up to the first that is cut: length, type, body, checksum (PNG, 5.3)."""
    start = len(SIGNATURE)
    while start + 12 <= len(data):
        end = start + 12 + int(struct.unpack_from(">I", data, start)[0])
        if end > len(data):
            return
        yield data[start:end]
        start = end


def _is_kept(chunk: memoryview) -> bool:
    kind = bytes(chunk[4:8])
    is_critical = not kind[0] & 0x20  # bit 5 of the first letter (PNG, 5.4)
    if is_critical:
        return True
    if kind not in _ABOUT_PIXELS or zlib.crc32(chunk[4:-4]) != int.from_bytes(chunk[-4:]):
        return False
    return kind != b"iCCP" or _unpacks(bytes(chunk[8:-4]))


def _unpacks(body: bytes) -> bool:
    """Tell whether a profile (name, zero, method, deflated) can be unpacked within the limit."""
    unpacking = zlib.decompressobj()
    try:
        unpacking.decompress(body.partition(b"\0")[2][1:], _MOST_PROFILE_BYTES)
    except zlib.error:
        return False
    return unpacking.eof
