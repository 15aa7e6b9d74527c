"""Read answers that browsers and curl take, and `http.client` does not."""

import http.client
from http import HTTPStatus
from typing import Final

from transforms.image_fetch.deadline import DeadlineResponse

_MOST_HEADER_LINES: Final = 1000
"""Of at most 64 KB each; a CDN's policies alone can be more than the 100 that `http.client` reads."""

# It has no argument for it before Python 3.15. The limit is a bound on memory, for all of this process.
http.client._MAXHEADERS = _MOST_HEADER_LINES  # type: ignore[attr-defined]  # noqa: SLF001


class LenientResponse(DeadlineResponse):
    """A connection's `response_class`."""

    def begin(self) -> None:
        """Read up to the final answer's body: hints such as 103 come before it (RFC 9110, section 15.2)."""
        super().begin()
        while self.status in {HTTPStatus.PROCESSING, HTTPStatus.EARLY_HINTS}:
            self.headers = None  # type: ignore[assignment]  # what `begin` takes as a sign to read on
            super().begin()
        if self.length is None and not self.chunked:
            self.length = _agreed_length(self.headers.get("Content-Length", ""))


def _agreed_length(content_length: str) -> int | None:
    """Read a length that was sent several times over, and is always the same (RFC 9110, section 8.6)."""
    lengths = {part.strip() for part in content_length.split(",")}
    length = lengths.pop()
    return int(length) if not lengths and length.isascii() and length.isdecimal() else None
