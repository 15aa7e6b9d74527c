"""Read JSON without the liberties that Python's own reader takes."""

import json
from typing import NoReturn

from transforms.parse_answer import Json


def strict_json(body: bytes) -> Json:
    """Read JSON in UTF-8; a byte order mark is read over, as RFC 8259, section 8.1, allows.

    Raises:
        ValueError: not UTF-8, not JSON, NaN or Infinity, a key twice, nested too deeply, a number too long.
    """
    try:
        found: Json = json.loads(
            body.decode("utf-8-sig"), object_pairs_hook=_without_repetition, parse_constant=_no_number
        )
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return found


def _without_repetition(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def _no_number(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number in JSON")
