"""Show URLs and foreign texts without what may be secret in them, on one line, printable."""

import re
from typing import Final

_USERINFO: Final = re.compile(r"^((?:[a-z][a-z0-9+.-]*:)?//)[^/?#]*@", re.IGNORECASE)
_MAX_CHARACTERS: Final = 200


def shown_url(url: str) -> str:
    """Give a URL as logs and messages may show it: no userinfo, query or fragment, at most 200 characters.

    Any text is fine, a URL or not; what cannot be printed is escaped.

    >>> shown_url("https://ann:secret@example.com/a.jpg?signature=secret#top")
    'https://example.com/a.jpg'
    """
    public = re.split("[?#]", _USERINFO.sub(r"\1", url), maxsplit=1)[0]
    bounded = (
        public
        if len(public) <= _MAX_CHARACTERS
        else public[: _MAX_CHARACTERS - 1] + "\N{HORIZONTAL ELLIPSIS}"
    )
    return _printable(bounded)


MAX_CHARACTERS: Final = 500
_URL: Final = re.compile(r"https?:(//|\\/\\/)[^\s\"'<>]+", re.IGNORECASE)  # or as JSON may spell it


def kept_text(text: str, most: int = MAX_CHARACTERS) -> str:
    r"""Give a text on one line, printable, its URLs without userinfo and query, at most `most` characters.

    >>> kept_text("cannot\n  load https://ann:pw@example.com/a.jpg?signature=s3cret \x1b[2J")
    'cannot load https://example.com/a.jpg \\x1b[2J'
    """
    line = " ".join(_URL.sub(lambda url: shown_url(url[0].replace("\\/", "/")), text).split())[:most]
    return _printable(line)[:most]


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
