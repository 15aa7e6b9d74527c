"""The strict parser accepts JSON, and nothing that only looks like it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facebeam.transforms.api.parse_answer import strict_json


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "Expecting value"),
        (b"{}{}", "Extra data"),
        (b'{"a": 1, "a": 1}', "a key appears twice"),
        (b'"\xff"', "can't decode byte 0xff"),
        ("{}".encode("utf-16"), "can't decode"),
        (b"[" * 100_000 + b"]" * 100_000, "nested too deeply"),
        (b"9" * 5000, "4300 digits"),
    ],
    ids=range(7),
)
def test_refuses_what_is_no_json(body: bytes, reason: str) -> None:
    """A body that is not JSON raises a ValueError with the reason, and no other exception."""
    with pytest.raises(ValueError, match=reason):
        strict_json(body)


def test_reads_over_a_byte_order_mark() -> None:
    """The parser skips a byte order mark and reads the value after it."""
    assert strict_json(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists))
def test_reads_what_json_writes(value: object) -> None:
    """The parser reads the value that `json.dumps` wrote."""
    assert strict_json(json.dumps(value).encode()) == value
