"""Make URLs and texts from outside safe to show: without possible secrets, on one line, printable."""

import re
from typing import Final

_USERINFO: Final = re.compile(r"^((?:[a-z][a-z0-9+.-]*:)?//)[^/?#]*@", re.IGNORECASE)
_MAX_CHARACTERS: Final = 200


def shown_url(url: str) -> str:
    """Give a URL for logs and messages: without userinfo, query and fragment, at most 200 characters.

    The text need not be a URL. Characters that cannot be printed are escaped.

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
_URL: Final = re.compile(r"https?:(//|\\/\\/)[^\s\"'<>]+", re.IGNORECASE)  # JSON may escape slashes


def shown_text(text: str, most: int = MAX_CHARACTERS) -> str:
    r"""Give a text for logs and messages: on one line, URLs as in `shown_url`, at most `most` characters.

    >>> shown_text("cannot\n  load https://ann:pw@example.com/a.jpg?signature=s3cret \x1b[2J")
    'cannot load https://example.com/a.jpg \\x1b[2J'
    """
    line = " ".join(_URL.sub(lambda url: shown_url(url[0].replace("\\/", "/")), text).split())[:most]
    return _printable(line)[:most]


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
