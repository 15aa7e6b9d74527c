"""Texts of the service, cleaned before they are stored."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facebeam.transforms.http.shown_text import MAX_CHARACTERS, shown_text


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("cannot load http://a.example/b.jpg?sig=s3cret.", "cannot load http://a.example/b.jpg"),
        ("'HTTPS://ann:s3cret@a.example/b.jpg'", "'HTTPS://a.example/b.jpg'"),
        (r'{"url":"https:\/\/u:p@a.example\/b.jpg?sig=s3cret"}', '{"url":"https://a.example/b.jpg"}'),
        ("two\r\n\tlines", "two lines"),
        ("\x1b[31mred\x00", r"\x1b[31mred\x00"),
        ("\ud800", r"\ud800"),
    ],
)
def test_keeps_words_and_not_secrets(text: str, kept: str) -> None:
    """A stored text is one printable line, and its URLs have no user, password or query."""
    assert shown_text(text) == kept


@given(st.text(), st.integers(1, MAX_CHARACTERS))
def test_is_bounded_and_printable(text: str, most: int) -> None:
    """A stored text has at most as many characters as the caller allows, and all of them are printable."""
    kept = shown_text(text * 50, most)
    assert len(kept) <= most
    assert kept.isprintable()
