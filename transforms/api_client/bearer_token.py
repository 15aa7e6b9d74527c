"""The token as a value that cannot slip out: not by print, log, format, pickle or an echo of the service."""

import re
from typing import Final, NoReturn

from requests.structures import CaseInsensitiveDict

from transforms.api_client.reply import Reply

MASK: Final = "[token]"
_SHORTEST_MASKED: Final = 8
"""A shorter one is a word: no secret, and every text has it in it by chance."""
_ESCAPES: Final = ("\\", "%", "&")
_JSON_LETTERS: Final = frozenset("bfnrtu")
"""After a backslash these are line ends and the like."""


def _any_spelling(character: str) -> str:
    r"""Give a pattern for a character and what JSON, URLs and HTML make of it, up to some times over.

    >>> [bool(re.fullmatch(_any_spelling("="), text)) for text in ("=", r"\\u003D", "%253d", "&#61;", "n")]
    [True, True, True, True, False]
    """
    plain, number, decimal = re.escape(character), f"{ord(character):02x}", ord(character)
    escaped = f"(?i:u00{number})" if character in _JSON_LETTERS else f"(?:(?i:u00{number})|{plain})"
    entity = f"&#(?:0{{0,5}}{decimal}|(?i:x0{{0,5}}{number}));?"
    return rf"(?:{plain}|\\{{1,8}}{escaped}|%(?:25){{0,4}}(?i:{number})|{entity})"


class Token:
    """Holds a token; only `authorization` gives it away.

    Args:
        value: visible ASCII without spaces, not empty; `TokenReference.resolve` sees to that.
    """

    __slots__ = ("_spelt", "_value")

    def __init__(self, value: str) -> None:
        self._value = value
        self._spelt = re.compile("".join(map(_any_spelling, value)))

    @property
    def _is_secret(self) -> bool:
        return len(self._value) >= _SHORTEST_MASKED

    def authorization(self) -> str:
        """Give the value of the header `authorization`."""
        return f"Bearer {self._value}"

    def masked(self, text: str) -> str:
        """Give a foreign text with `[token]` for each echo of the token, however that is escaped."""
        if not self._is_secret:
            return text
        if any(escape in text for escape in _ESCAPES):  # slow: an answer has none
            return self._spelt.sub(MASK, text)
        return text.replace(self._value, MASK)

    def masked_reply(self, reply: Reply) -> Reply:
        """Give a reply without echoes of the token, before anything is read out of it or cut in two."""
        headers = {name: self.masked(value) for name, value in reply.headers.items()}
        body = self.masked(reply.body.decode("latin-1")).encode("latin-1")  # any bytes, one character each
        return Reply(reply.status, CaseInsensitiveDict(headers), body)

    def __repr__(self) -> str:
        return MASK

    def __reduce__(self) -> NoReturn:
        raise TypeError("a token cannot be pickled: send its TokenReference, and resolve that on the worker")
