"""Manifests in jsonl: the Arrow types of their columns, from all values, and their records."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from types import NoneType
from typing import Final

import pyarrow as pa

from facebeam.schemas.image_url import NOT_UTF8, is_utf8
from facebeam.schemas.manifest_columns import ID_COLUMN, MOST_COLUMNS
from facebeam.transforms.manifest.lines import numbered_lines
from facebeam.transforms.manifest.manifest_file import ManifestError, ManifestFile, ManifestPart, Record
from facebeam.transforms.manifest.value_range import with_range

JSON_TEXT: Final = {b"facebeam.json": b"true"}
"""Field metadata of a string column whose values are JSON texts: its strings have quotes around them."""
_KINDS: Final = b"facebeam.json_kinds"
"""Field metadata of a file's column: the kinds of its values, to find the common type of several files."""
_EXACT_FLOAT: Final = 2**53
"""Up to here each integer has an equal float."""


def json_columns(objects: Iterable[Mapping[str, object]], most: int) -> pa.Schema:
    """Give each key the narrowest type that holds all its values without loss, in the order of the file.

    Args:
        objects: the objects of the file, which are read one by one.
        most: largest number of keys. With more keys the function stops, and does not read the other objects.

    >>> json_columns([{"a": 1, "b": "x"}, {"a": 1.5, "b": [2]}], most=9).types
    [DataType(double), DataType(string)]
    """
    kinds: dict[str, set[str]] = {}
    for values in objects:
        for name, value in values.items():
            kinds.setdefault(name, set()).add(_kind(value))
        if len(kinds) > most:
            break
    return pa.schema([_field(name, found - {"null"}) for name, found in kinds.items()])


def is_json(field: pa.Field) -> bool:
    """Tell whether a file's column comes from a jsonl."""
    return _KINDS in (field.metadata or {})


def is_json_text(field: pa.Field) -> bool:
    """Tell whether a column's strings are JSON texts."""
    return JSON_TEXT.items() <= (field.metadata or {}).items()


def unite_json(fields: Sequence[pa.Field]) -> pa.Field:
    """Give the column of several files the type that it would have in one file."""
    return _field(fields[0].name, {kind for field in fields for kind in _kinds(field)})


def json_converter(own: pa.Field | None, run: pa.Field) -> Callable[[object], object]:
    """Choose the function that converts a value of the file's own column to the type of the run's column."""
    if own is None:
        return _as_it_is
    if pa.types.is_floating(run.type):
        return _as_float
    mixed = is_json_text(run) or not _kinds(own) <= {"string"}
    return _as_json if pa.types.is_string(run.type) and mixed else _as_it_is


def _kinds(field: pa.Field) -> set[str]:
    return set(filter(None, field.metadata[_KINDS].decode().split(",")))


def _kind(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return _int_kind(value)
    return _KIND_OF.get(type(value), "json")


_KIND_OF: Final[dict[type, str]] = {NoneType: "null", bool: "bool", float: "float", str: "string"}


def _int_kind(value: int) -> str:
    """Tell which types hold an integer without loss: float64 and int64, only int64, or neither."""
    if abs(value) <= _EXACT_FLOAT:
        return "int"
    return "wide int" if -(2**63) <= value < 2**63 else "json"


def _field(name: str, kinds: set[str]) -> pa.Field:
    own = {_KINDS: ",".join(sorted(kinds)).encode()}
    if not kinds:
        return pa.field(name, pa.null(), metadata=own)
    if kinds == {"bool"}:
        return pa.field(name, pa.bool_(), metadata=own)
    if kinds == {"int"}:
        return with_range(pa.field(name, pa.int64(), metadata=own), -_EXACT_FLOAT, _EXACT_FLOAT)
    if kinds <= {"int", "wide int"}:
        return pa.field(name, pa.int64(), metadata=own)
    if kinds <= {"int", "float"}:
        return pa.field(name, pa.float64(), metadata=own)
    return pa.field(name, pa.string(), metadata=own if kinds == {"string"} else own | JSON_TEXT)


def _as_it_is(value: object) -> object:
    return value


def _as_float(value: object) -> object:
    return float(value) if isinstance(value, int) else value


def _as_json(value: object) -> object:
    return None if value is None else json_text(value)


def json_text(value: object) -> str:
    """Write a value as JSON, with all digits of its numbers.

    >>> json_text({"a": [Decimal("0.33333333333333333333"), "ü"]})
    '{"a": [0.33333333333333333333, "ü"]}'
    """
    match value:
        case Decimal():
            return str(value)
        case dict():
            return f"{{{', '.join(f'{json_text(key)}: {json_text(item)}' for key, item in value.items())}}}"
        case list():
            return f"[{', '.join(map(json_text, value))}]"
        case _:
            return json.dumps(value, ensure_ascii=False)


def json_lines_schema(file: ManifestFile) -> pa.Schema:
    """Give the columns of all objects. This reads the whole file, or stops at too many columns.

    Raises:
        ManifestError: the file has lines, but none begins like an object.
    """
    parsed = map(parse_object, _likely_objects(file))
    return json_columns((value for value in parsed if not isinstance(value, str)), MOST_COLUMNS)


def json_lines_records(part: ManifestPart, columns: pa.Schema) -> Iterator[Record]:
    """Stream the objects as records, without blank lines."""
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
    """Parse a line: give its object, or why it is not an object and the cure.

    >>> parse_object('{"image_url": "https://example.com/a.jpg"}')
    {'image_url': 'https://example.com/a.jpg'}
    >>> parse_object('{"a": 1, "a": 2}')
    "is not JSON (the key 'a' comes twice): write one object per line"
    """
    try:
        value: object = _DECODER.decode(line)
    except (ValueError, ArithmeticError, RecursionError) as error:
        return f"is not JSON ({error}): write one object per line"
    if not isinstance(value, dict):
        return 'is JSON, but not an object: write {"image_url": ...}'
    if line.count("[") + line.count("{") > _MAX_DEPTH and _is_deeper(value, _MAX_DEPTH):
        return f"is nested deeper than {_MAX_DEPTH} levels: flatten it"
    if not is_utf8(line):
        return NOT_UTF8
    return value if _escapes_are_utf8(line, value) else _HALF_CHARACTER


_HALF_CHARACTER: Final = (
    "has an escape from \\ud800 to \\udfff without its other half, which is no character: write the whole "
    "character; if it comes from the name of a file, rename the file"
)


def _likely_objects(file: ManifestFile) -> Iterator[str]:
    """Stream the lines that begin like an object."""
    found = others = 0
    for _, line in _filled_lines(ManifestPart(file)):
        if line.lstrip().startswith("{"):
            found += 1
            yield line
        else:
            others += 1
    if others and not found:
        raise ManifestError(
            f"{file.path}: none of its lines begins with {{: write one JSON object per line, or rename the "
            "file to its real format, such as .csv or .txt"
        )


def _filled_lines(part: ManifestPart) -> Iterator[tuple[int, str]]:
    # `cat a.jsonl b.jsonl` leaves the byte order mark of the second file
    lines = ((number, line.removeprefix("\ufeff")) for number, line in numbered_lines(part))
    return ((number, line) for number, line in lines if line.strip())


def _is_deeper(value: object, levels: int) -> bool:
    """Tell whether a value is too deep. Python's recursion limit would also count the callers' depth."""
    if not isinstance(value, dict | list):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_is_deeper(each, levels - 1) for each in inner)


def _escapes_are_utf8(line: str, value: object) -> bool:
    r"""Tell whether the escapes of a line, such as `\ud800`, give valid UTF-8."""
    return "\\u" not in line or is_utf8(json_text(value))


def _unique(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    value = dict(pairs)
    if len(value) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice[:80]!r} comes twice")
    return value


def _number(text: str) -> float | Decimal:
    """Read a number as a float, or as a decimal if a float cannot hold all its digits.

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
"""Python's json writes these; in pandas NaN means a missing value."""
_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_unique, parse_float=_number, parse_constant=_CONSTANTS.__getitem__
)
