"""A token value that does not leak: not by printing, pickling or an echo of the service."""

import copy
import pickle

import pytest
from requests.structures import CaseInsensitiveDict

from facebeam.transforms.api.reply import Reply
from facebeam.transforms.api.token import Token

SECRET = 'canary/01"23+4567'  # noqa: S105 - made up


@pytest.mark.parametrize("shown", [repr, str, "{}".format, lambda token: f"{[token]}"])
def test_never_shows_itself(shown: object) -> None:
    """Every way to print a token gives the mask `[token]`."""
    assert callable(shown)
    assert "canary" not in shown(Token(SECRET))
    assert "[token]" in shown(Token(SECRET))


@pytest.mark.parametrize("copied", [pickle.dumps, copy.copy, copy.deepcopy])
def test_cannot_be_pickled(copied: object) -> None:
    """Pickling or copying a token raises a TypeError that names the cure."""
    assert callable(copied)
    with pytest.raises(TypeError, match="TokenReference"):
        copied(Token(SECRET))


def test_has_no_attributes_to_dump() -> None:
    """A token has no `__dict__`, which debuggers and error reports would print."""
    assert not hasattr(Token(SECRET), "__dict__")


def test_gives_the_header() -> None:
    """`authorization` gives the token as the header's value; there is no other way to get it."""
    assert Token(SECRET).authorization() == f"Bearer {SECRET}"


@pytest.mark.parametrize(
    "echo",
    [
        SECRET,
        'canary/01\\"23+4567',
        'canary\\/01\\"23+4567',
        "canary/01%2223%2B4567",
        "canary%2F01%2223%2B4567",
        "canary\\u002f01\\u002223\\u002B4567",  # Gson, Jackson, .NET
        "canary\\\\u002f01\\\\u002223\\\\u002b4567",  # JSON in JSON
        "".join(f"\\u{ord(character):04x}" for character in SECRET),
        "canary%252F01%252223%252B4567",
        "canary&#x2F;01&#34;23&#43;4567",
    ],
)
def test_masks_every_echo(echo: str) -> None:
    """The mask replaces a token that is spelt plainly, or as JSON, a URL or HTML escapes it.

    It does so in texts, bodies and headers, and masked headers still ignore upper and lower case.
    """
    assert Token(SECRET).masked(f"<{echo}> <{echo}>") == "<[token]> <[token]>"
    body = f"\N{SNOWMAN} {echo}".encode() + b"\xff"
    masked = Token(SECRET).masked_reply(Reply(200, CaseInsensitiveDict({"X-Trace-Id": echo}), body))
    assert masked.body == "\N{SNOWMAN} [token]".encode() + b"\xff"
    assert masked.headers["x-trace-id"] == "[token]"


def test_a_word_is_no_secret() -> None:
    """A short token such as `nose`, for a server that accepts any token, is not masked in answers."""
    assert Token("nose").masked('{"nose": []}') == '{"nose": []}'
