"""jsonl: a JSON object a line (RFC 8259, no key twice; besides NaN, which is null, and Infinity)."""

import json
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Final

import pyarrow as pa

from schemas.image_url import NOT_UTF8, is_utf8
from schemas.manifest_columns import ID_COLUMN, MOST_COLUMNS
from transforms.manifest_formats.json_column_types import json_columns, json_converter, json_text
from transforms.manifest_formats.manifest_error import ManifestError
from transforms.manifest_formats.manifest_file import ManifestFile, ManifestPart, Record
from transforms.manifest_formats.numbered_lines import numbered_lines


def json_lines_schema(file: ManifestFile) -> pa.Schema:
    """Give the columns of all objects, by reading the whole file once: or so far that they are too many.

    Raises:
        ManifestError: there are lines, but none begins as an object.
    """
    parsed = map(parse_object, _likely_objects(file))
    return json_columns((value for value in parsed if not isinstance(value, str)), MOST_COLUMNS)


def json_lines_records(part: ManifestPart, columns: pa.Schema) -> Iterator[Record]:
    """Stream the objects; blank lines are none."""
    names = part.file.columns.names
    own = [part.file.columns.field(name) if name in names else None for name in columns.names]
    plan = [(run.name, json_converter(field, run)) for field, run in zip(own, columns, strict=True)]
    for number, line in _filled_lines(part):
        value = parse_object(line)
        if isinstance(value, str):
            yield Record(number, line.strip(), None, (None,) * len(columns), value)
        else:
            values = tuple([convert(value.get(name)) for name, convert in plan])
            yield Record(number, value.get(part.file.url_column), value.get(ID_COLUMN), values)


def parse_object(line: str) -> Mapping[str, object] | str:
    """Parse a line: its object, or why it is none and the cure.

    >>> parse_object('{"image_url": "https://example.com/a.jpg"}')
    {'image_url': 'https://example.com/a.jpg'}
    >>> parse_object('{"a": 1, "a": 2}')
    "is not JSON (the key 'a' comes twice): write one object a line"
    """
    try:
        value: object = _DECODER.decode(line)
    except (ValueError, ArithmeticError, RecursionError) as error:
        return f"is not JSON ({error}): write one object a line"
    if not isinstance(value, dict):
        return 'is JSON, but no object: write {"image_url": ...}'
    if line.count("[") + line.count("{") > _MAX_DEPTH and _is_deeper(value, _MAX_DEPTH):
        return f"is nested deeper than {_MAX_DEPTH} levels: flatten it"
    return value if is_utf8(line) and _escapes_are_utf8(line, value) else NOT_UTF8


def _likely_objects(file: ManifestFile) -> Iterator[str]:
    """Stream the lines that begin as an object does."""
    found = others = 0
    for _, line in _filled_lines(ManifestPart(file)):
        if line.lstrip().startswith("{"):
            found += 1
            yield line
        else:
            others += 1
    if others and not found:
        raise ManifestError(
            f"{file.path}: not one of its lines begins with {{: write one JSON object a line, or rename the "
            "file to what it is, such as .csv or .txt"
        )


def _filled_lines(part: ManifestPart) -> Iterator[tuple[int, str]]:
    return ((number, line) for number, line in numbered_lines(part) if line.strip())


def _is_deeper(value: object, levels: int) -> bool:
    """Tell the same of a value on every stack: Python's own limit counts the callers too."""
    if not isinstance(value, dict | list):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_is_deeper(each, levels - 1) for each in inner)


def _escapes_are_utf8(line: str, value: object) -> bool:
    r"""Tell whether a text with escapes like `\ud800` stands for text at all."""
    return "\\u" not in line or is_utf8(json_text(value))


def _unique(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    value = dict(pairs)
    if len(value) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice[:80]!r} comes twice")
    return value


def _number(text: str) -> float | Decimal:
    """Read a number as a float, or as a decimal where the float, rounded to as many digits, is another one.

    >>> _number("0.1"), _number("0.33333333333333333333")
    (0.1, Decimal('0.33333333333333333333'))
    """
    value = float(text)
    if repr(value) == text:
        return value
    exact = Decimal(text)
    digits = "".join(map(str, exact.as_tuple().digits)).rstrip("0") or "0"
    return value if Decimal(f"{value:.{len(digits) - 1}e}") == exact else exact


_MAX_DEPTH: Final = 100
_CONSTANTS: Final = {"NaN": None, "Infinity": float("inf"), "-Infinity": float("-inf")}
"""Python's json writes them; NaN stands for a missing value in pandas."""
_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_unique, parse_float=_number, parse_constant=_CONSTANTS.__getitem__
)
