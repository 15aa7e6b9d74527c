"""Which parts of a URL may be shown."""

import pytest
from hypothesis import given
from hypothesis.strategies import text

from facebeam.transforms.http.shown_text import shown_url


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://example.com/a.jpg?signature=secret", "https://example.com/a.jpg"),
        ("https://example.com/a.jpg#secret", "https://example.com/a.jpg"),
        ("https://ann:secret@example.com:8080/a.jpg", "https://example.com:8080/a.jpg"),
        ("HTTP://secret@example.com", "HTTP://example.com"),
        ("http://a@secret@example.com/", "http://example.com/"),
        ("//ann:secret@example.com/", "//example.com/"),
        ("https://example.com/@ann/a.jpg", "https://example.com/@ann/a.jpg"),
        ("photos/ann@home/a.jpg", "photos/ann@home/a.jpg"),
        ("http://e.com/a\nb\ud800\x00", "http://e.com/a\\nb\\ud800\\x00"),
        ("http://bücher.example/ü.jpg", "http://bücher.example/ü.jpg"),
        ("", ""),
    ],
)
def test_hides_what_may_be_secret(url: str, shown: str) -> None:
    """The shown URL has scheme, host and path, but no userinfo, query or fragment."""
    assert shown_url(url) == shown


def test_says_where_it_cut() -> None:
    """A long URL is cut to 200 characters, of which the last one is an ellipsis."""
    shown = shown_url("http://example.com/" + "a" * 500)
    assert (len(shown), shown[-2:]) == (200, "a…")


@given(text())
def test_takes_any_text(url: str) -> None:
    """Any text gives a printable text of bounded length that can be written as UTF-8."""
    shown = shown_url(url)
    shown.encode()
    assert shown.isprintable()
    assert len(shown) <= 200 * len("\\U00000000")
