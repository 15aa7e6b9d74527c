"""Recognize a file by its first bytes, to refuse a file whose ending is wrong and say what it is."""

import re
import shlex
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE, BOM_UTF32_BE, BOM_UTF32_LE
from typing import Final, NamedTuple

from facebeam.transforms.files.any_store import store_of
from facebeam.transforms.manifest.manifest_file import (
    ManifestError,
    ManifestFile,
    ManifestFormat,
    manifest_errors,
)
from facebeam.transforms.manifest.open_manifest import open_text

_HEAD_BYTES: Final = 4096


class _Kind(NamedTuple):
    beginning: bytes
    """A regular expression."""
    name: str
    cure: str


_SAVE_SHEET: Final = "save the sheet as CSV UTF-8"
_LIST_IMAGES: Final = "a manifest lists the URLs or paths of images"
_CONVERT: Final = "write the table as Parquet"
_GZIP: Final = _Kind(rb"\x1f\x8b", "gzip", "add .gz to its name")
_TWICE: Final = _Kind(_GZIP.beginning, "packed twice with gzip", "unpack it once with gunzip")
_PARQUET: Final = _Kind(rb"PAR1", "Parquet", "rename it to .parquet")
_KINDS: Final = (
    _GZIP,
    _PARQUET,
    _Kind(rb"PARE", "encrypted Parquet", "write it without encryption"),
    _Kind(rb"BZh[1-9]1AY&SY", "bzip2", "unpack it with bunzip2"),
    _Kind(rb"\xfd7zXZ\0", "xz", "unpack it with unxz"),
    _Kind(rb"\x28\xb5\x2f\xfd", "zstd", "unpack it with unzstd"),
    _Kind(rb"\x04\x22\x4d\x18", "lz4", "unpack it with unlz4"),
    _Kind(rb"PK\x03\x04", "a zip, such as .xlsx", f"unpack it, or {_SAVE_SHEET}"),
    _Kind(rb"7z\xbc\xaf\x27\x1c", "7z", "unpack it"),
    _Kind(rb"Rar!\x1a", "rar", "unpack it"),
    _Kind(rb"(?s:.{257})ustar", "a tar archive", "unpack it with tar"),
    _Kind(rb"\xd0\xcf\x11\xe0", "an old Office file, such as .xls", _SAVE_SHEET),
    _Kind(rb"%PDF-", "PDF", "export the list as text"),
    _Kind(rb"SQLite format 3\0", "SQLite", "export the table as .csv"),
    _Kind(rb"ORC[\x00-\x1f\x80-\xff]", "ORC", _CONVERT),
    _Kind(rb"Obj\x01", "Avro", _CONVERT),
    _Kind(rb"ARROW1\0", "Arrow, such as .feather", _CONVERT),
    _Kind(rb"FEA1\0", "Feather", _CONVERT),
    _Kind(rb"\x89HDF", "HDF5", _CONVERT),
    _Kind(rb"\x93NUMPY", "NumPy", _CONVERT),
    _Kind(rb"\xff\xd8\xff", "a JPEG image", _LIST_IMAGES),
    _Kind(rb"\x89PNG", "a PNG image", _LIST_IMAGES),
    _Kind(rb"version https://git-lfs", "a Git LFS pointer", "fetch the file itself with git lfs pull"),
    _Kind(rb"(?i:\s*<(!doctype|html|\?xml))", "a web page or XML", "download the manifest itself"),
    _Kind(rb"\s*\[\s*\{", "a JSON array", "write one object per line with jq -c '.[]', as .jsonl"),
    _Kind(
        rb"\s*\{[ \t]*\r?\n", "JSON over several lines", "write one object per line with jq -c ., as .jsonl"
    ),
)
_OBJECTS: Final = _Kind(rb"\s*\{\s*\"", "JSON", "rename it to .jsonl, with one object per line")
_TEXT: Final = _Kind(rb"[^\x00-\x08\x0e-\x1f]+\Z", "text", "")

_MARKS: Final = {
    BOM_UTF32_LE: "utf-32",  # before UTF-16, since its mark begins with that of UTF-16
    BOM_UTF32_BE: "utf-32",
    BOM_UTF16_LE: "utf-16",
    BOM_UTF16_BE: "utf-16",
}
_ZEROS: Final = {
    (False, True, False, True): "utf-16le",
    (True, False, True, False): "utf-16be",
    (False, True, True, True): "utf-32le",
    (True, True, True, False): "utf-32be",
}
"""Which of four bytes are zero in ASCII text -> the encoding."""


def check_contents(file: ManifestFile) -> None:
    """Check that the first bytes of a file fit its ending. Bytes that are not recognized are accepted.

    Raises:
        ManifestError: the file has another format, or is text that is not UTF-8.
    """
    with manifest_errors(file.path):
        with store_of(file.path).opened(file.path) as stream:
            head = stream.read(_HEAD_BYTES)
        if file.compressed:
            _expect(file, head, _GZIP, "remove .gz from its name")
            with open_text(file) as stream:
                head = stream.read(_HEAD_BYTES)
    if file.format.is_text:
        _check_text(file, head)
    else:
        _expect(file, head, _PARQUET, "rename it to its real format, such as .csv")


def cure_of_ending(path: str) -> str:
    """Say what a file with an unknown ending is, by its first bytes, and what makes a manifest of it."""
    with manifest_errors(path), store_of(path).opened(path) as stream:
        head = stream.read(_HEAD_BYTES)
    found = _kind_of(head, _KINDS)
    if found is None:
        return "rename the file to the ending of its format"
    return f"this file is {found.name}: {'unpack it with gunzip' if found is _GZIP else found.cure}"


def iconv_line(file: ManifestFile, encoding: str) -> str:
    """Give the shell command that converts a text to UTF-8."""
    path, converted = shlex.quote(file.path), f"utf8.{file.format}"
    if file.compressed:
        return f"gzip -dc {path} | iconv -f {encoding} -t utf-8 > {converted}"
    return f"iconv -f {encoding} -t utf-8 {path} > {converted}"


def _expect(file: ManifestFile, head: bytes, expected: _Kind, cure_of_text: str) -> None:
    found = _kind_of(head, _KINDS) or (_wide_encoding(head) and _TEXT) or _kind_of(head, (_TEXT,))
    if found not in {expected, None} and not b"PAR1".startswith(head):  # a file cut short is damaged Parquet
        cure = cure_of_text if found is _TEXT else found.cure
        raise _other_kind(file, found.name, expected.name.lower(), cure)


def _check_text(file: ManifestFile, head: bytes) -> None:
    text = head.removeprefix(BOM_UTF8)
    objects = () if file.format is ManifestFormat.JSONL else (_OBJECTS,)
    packed = (_TWICE,) if file.compressed else ()
    if found := _kind_of(text, (*packed, *_KINDS, *objects)):
        raise _other_kind(file, found.name, file.format, found.cure)
    if encoding := _wide_encoding(head):
        cure = f"convert it with {iconv_line(file, encoding)}"
        raise ManifestError(f"{file.path}: is {encoding[:6].upper()}, but a manifest must be UTF-8: {cure}")
    if b"\r" in text.rstrip() and b"\n" not in text:
        raise ManifestError(
            f"{file.path}: its lines end with only \\r: convert them with tr '\\r' '\\n' to \\n or \\r\\n"
        )


def _kind_of(head: bytes, kinds: tuple[_Kind, ...]) -> _Kind | None:
    return next((kind for kind in kinds if re.match(kind.beginning, head)), None)


def _other_kind(file: ManifestFile, found: str, expected: str, cure: str) -> ManifestError:
    return ManifestError(f"{file.path}: is {found}, not {expected} as its name says: {cure}")


def _wide_encoding(head: bytes) -> str | None:
    """Recognize UTF-16 or UTF-32 by its mark, or by zero bytes in ASCII letters; UTF-8 has none."""
    for mark, encoding in _MARKS.items():
        if head.startswith(mark):
            return encoding
    few = len(head) / 32  # an eighth of each fourth byte is enough: other characters may be Japanese
    first, second, third, fourth = (head[i::4].count(0) > few for i in range(4))
    return _ZEROS.get((first, second, third, fourth))
