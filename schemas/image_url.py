"""Check whether a text of a manifest can be the URL of an image."""

import re
from typing import Final
from urllib.parse import urlsplit

MAX_URL_BYTES: Final = 8192
NOT_UTF8: Final = "is not UTF-8: convert the manifest, for example with iconv -f latin1 -t utf-8"
LOCAL_SCHEMES: Final = ("file", "gs", "s3", "hdfs")

LOCAL_REFUSED: Final = (
    "has no http:// or https:// at its start: write the whole URL, or give --allow-local-files"
)
"""What is wrong with a path or a file URL if files are not allowed."""
_PLAIN: Final = re.compile(r"https?://[A-Za-z0-9][A-Za-z0-9.-]*(:[0-9]{1,4})?([/?#][!-\[\]-~]*)?")
"""A quick test: a URL that matches (printable ASCII, no backslash) is valid. Other URLs need all checks."""
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def check_image_url(url: str, *, allow_local_files: bool = False) -> str | None:
    """Tell why a text is not a valid image URL, and the cure; None if it is valid.

    http and https are always allowed; paths, file, gs, s3 and hdfs only with `allow_local_files`.

    >>> check_image_url("https://example.com/a.jpg"), check_image_url("a.jpg", allow_local_files=True)
    (None, None)
    >>> check_image_url("https:///a.jpg")
    'has no host: write https://host/path'
    """
    if len(url) <= MAX_URL_BYTES and _PLAIN.fullmatch(url):
        return None
    return _check_text(url) or _check_place(url, allow_local_files=allow_local_files)


def is_utf8(text: str) -> bool:
    """Tell whether a text decoded with `surrogateescape` was UTF-8, so that Parquet can hold it."""
    return text.isascii() or _SURROGATE.search(text) is None


def _check_text(url: str) -> str | None:
    if not url:
        return "is not a URL: write one or delete the row"
    if url[:5].lower() == "data:":
        return (
            "is a data: URL, which is not supported: save the image as a file, and write its path or URL here"
        )
    if not is_utf8(url):
        return NOT_UTF8
    if len(url.encode()) > MAX_URL_BYTES:
        return f"is over {MAX_URL_BYTES} bytes of UTF-8: shorten it, or host the image under a shorter URL"
    if _CONTROL.search(url):
        return "has control characters: percent-encode or remove them"
    return None


def _check_place(url: str, *, allow_local_files: bool) -> str | None:
    scheme, separator, place = url.partition("://")
    if separator and scheme.lower() in {"http", "https"}:
        return _check_web_url(url)
    local = scheme.lower() in LOCAL_SCHEMES if separator else True
    if not local:
        return "has no http:// or https:// at its start: write the whole URL"
    if not allow_local_files:
        return LOCAL_REFUSED
    return None if place or not separator else "has no path: write the path after ://"


def _check_web_url(url: str) -> str | None:
    if any(character.isspace() for character in url):
        return "contains a space: write %20"
    if "\\" in url:
        return "contains a backslash: write / or %5C"
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises ValueError if the port is not valid
    except ValueError:
        return "has no valid host and port: write https://host/path"
    return None if parts.hostname else "has no host: write https://host/path"
