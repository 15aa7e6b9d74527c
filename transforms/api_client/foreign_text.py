"""Make a text of the service's fit to be kept: it lands in tables, logs and on terminals."""

import re
from typing import Final

from transforms.image_fetch.shown_url import shown_url

MAX_CHARACTERS: Final = 500
_URL: Final = re.compile(r"https?:(//|\\/\\/)[^\s\"'<>]+", re.IGNORECASE)  # or as JSON may spell it


def kept_text(text: str, most: int = MAX_CHARACTERS) -> str:
    r"""Give a text on one line, printable, its URLs without userinfo and query, at most `most` characters.

    >>> kept_text("cannot\n  load https://ann:pw@example.com/a.jpg?signature=s3cret \x1b[2J")
    'cannot load https://example.com/a.jpg \\x1b[2J'
    """
    line = " ".join(_URL.sub(lambda url: shown_url(url[0].replace("\\/", "/")), text).split())[:most]
    printable = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)
    return printable[:most]
