"""The token as a value that cannot slip out."""

import copy
import pickle

import pytest
from requests.structures import CaseInsensitiveDict

from transforms.api_client.bearer_token import Token
from transforms.api_client.reply import Reply

SECRET = 'canary/01"23+4567'  # noqa: S105 - made up


@pytest.mark.parametrize("shown", [repr, str, "{}".format, lambda token: f"{[token]}"])
def test_never_shows_itself(shown: object) -> None:
    """Expect a mask from every way to print it."""
    assert callable(shown)
    assert "canary" not in shown(Token(SECRET))
    assert "[token]" in shown(Token(SECRET))


@pytest.mark.parametrize("copied", [pickle.dumps, copy.copy, copy.deepcopy])
def test_cannot_be_pickled(copied: object) -> None:
    """Expect TypeError with the cure, also from what copies by pickling."""
    assert callable(copied)
    with pytest.raises(TypeError, match="TokenReference"):
        copied(Token(SECRET))


def test_has_no_attributes_to_dump() -> None:
    """Expect nothing where debuggers and error reports look."""
    assert not hasattr(Token(SECRET), "__dict__")


def test_gives_the_header() -> None:
    """Expect the one way out."""
    assert Token(SECRET).authorization() == f"Bearer {SECRET}"


@pytest.mark.parametrize(
    "echo",
    [
        SECRET,
        'canary/01\\"23+4567',
        'canary\\/01\\"23+4567',
        "canary/01%2223%2B4567",
        "canary%2F01%2223%2B4567",
    ],
)
def test_masks_every_echo(echo: str) -> None:
    """Expect the token to be found as it is, in JSON and in a URL; in body and headers, found in any case."""
    assert Token(SECRET).masked(f"<{echo}> <{echo}>") == "<[token]> <[token]>"
    body = f"\N{SNOWMAN} {echo}".encode() + b"\xff"
    masked = Token(SECRET).masked_reply(Reply(200, CaseInsensitiveDict({"X-Trace-Id": echo}), body))
    assert masked.body == "\N{SNOWMAN} [token]".encode() + b"\xff"
    assert masked.headers["x-trace-id"] == "[token]"


def test_a_word_is_no_secret() -> None:
    """Expect a token such as `nose`, for a server that takes any, to leave answers as they are."""
    assert Token("nose").masked('{"nose": []}') == '{"nose": []}'
