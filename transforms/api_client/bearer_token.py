"""The token as a value that cannot slip out: not by print, log, format, pickle or an echo of the service."""

import json
from typing import Final, NoReturn
from urllib.parse import quote

from requests.structures import CaseInsensitiveDict

from transforms.api_client.reply import Reply

MASK: Final = "[token]"
_SHORTEST_MASKED: Final = 8
"""A shorter one is a word: no secret, and every text has it in it by chance."""


class Token:
    """Holds a token; only `authorization` gives it away.

    Args:
        value: visible ASCII without spaces, not empty; `TokenReference.resolve` sees to that.
    """

    __slots__ = ("_echoes", "_value")

    def __init__(self, value: str) -> None:
        self._value = value
        as_json = json.dumps(value)[1:-1]
        spellings = {value, as_json, as_json.replace("/", "\\/"), quote(value), quote(value, safe="")}
        self._echoes = sorted(spellings, key=len, reverse=True) if len(value) >= _SHORTEST_MASKED else []

    def authorization(self) -> str:
        """Give the value of the header `authorization`."""
        return f"Bearer {self._value}"

    def masked(self, text: str) -> str:
        """Give a foreign text with `[token]` for each echo of the token, spelt as JSON or a URL would too."""
        for echo in self._echoes:
            text = text.replace(echo, MASK)
        return text

    def masked_reply(self, reply: Reply) -> Reply:
        """Give a reply without echoes of the token, before anything is read out of it or cut in two."""
        headers = {name: self.masked(value) for name, value in reply.headers.items()}
        body = self.masked(reply.body.decode("latin-1")).encode("latin-1")  # any bytes, one character each
        return Reply(reply.status, CaseInsensitiveDict(headers), body)

    def __repr__(self) -> str:
        return MASK

    def __reduce__(self) -> NoReturn:
        raise TypeError("a token cannot be pickled: send its TokenReference, and resolve that on the worker")
