"""Remove the chunks of a PNG that do not affect its pixels.

Pillow can refuse a whole PNG because one of its texts is very large or damaged.
"""

import struct
import zlib
from collections.abc import Iterator
from typing import Final

SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_TRANSPARENCY_BYTES: Final = {0: range(2, 3), 2: range(6, 7), 3: range(1, 257)}
"""Colour type -> valid lengths of the tRNS chunk (PNG, 11.3.1.1). Pillow fails on other lengths."""
_MOST_PROFILE_BYTES: Final = 2**20
"""Limit of an unpacked colour profile: Pillow refuses an image with a longer one."""


def without_texts(data: bytes) -> bytes:
    """Give a PNG with only its critical chunks, transparency, colour profile and Exif.

    Data that is not a PNG is returned unchanged. Like libpng, this function drops an ancillary chunk if its
    checksum or its length is wrong, or if the file ends inside it. An animation keeps only its first frame.
    Bytes after the last chunk stay, so that the decoder can judge them.
    """
    if not data.startswith(SIGNATURE):
        return data
    view = memoryview(data)
    chunks = [*_chunks(view)]
    kept = [chunk for chunk in chunks if _is_kept(chunk, view)]
    if len(kept) == len(chunks):
        return data
    rest = len(SIGNATURE) + sum(map(len, chunks))
    return b"".join([SIGNATURE, *kept, view[rest:]])


def _chunks(data: memoryview) -> Iterator[memoryview]:
    """Yield the chunks: length, type, body, checksum (PNG, 5.3). The last one may be cut off."""
    start = len(SIGNATURE)
    while start + 8 <= len(data):
        end = start + 12 + int(struct.unpack_from(">I", data, start)[0])
        yield data[start:end]
        start = end


def _is_kept(chunk: memoryview, png: memoryview) -> bool:
    kind, body = bytes(chunk[4:8]), chunk[8:-4]
    is_critical = not kind[0] & 0x20  # bit 5 of the first letter is 0 (PNG, 5.4)
    if is_critical:
        return True
    if zlib.crc32(chunk[4:-4]) != int.from_bytes(chunk[-4:]):
        return False
    match kind:
        case b"tRNS":
            return len(body) in _TRANSPARENCY_BYTES.get(_colour_type(png), ())
        case b"iCCP":
            return _unpacks(bytes(body))
    return kind == b"eXIf"


def _colour_type(png: memoryview) -> int:
    """Read the colour type: byte 9 of the header, which is the first chunk (PNG, 11.2.1)."""
    return png[len(SIGNATURE) + 8 + 9]


def _unpacks(body: bytes) -> bool:
    """Tell whether an iCCP body (name, zero, method, deflated profile) can be unpacked within the limit."""
    unpacking = zlib.decompressobj()
    try:
        unpacking.decompress(body.partition(b"\0")[2][1:], _MOST_PROFILE_BYTES)
    except zlib.error:
        return False
    return unpacking.eof
