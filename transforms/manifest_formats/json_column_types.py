"""Find the Arrow types of JSON columns, by looking at every value."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from types import NoneType
from typing import Final

import pyarrow as pa

from transforms.manifest_formats.value_range import with_range

JSON_TEXT: Final = {b"facebeam.json": b"true"}
"""Field metadata of a string column whose values are JSON texts: a string in it stands in its quotes."""
_KINDS: Final = b"facebeam.json_kinds"
"""Field metadata of a file's column: the kinds of its values, by which it is united with other files'."""
_EXACT_FLOAT: Final = 2**53
"""Integers up to here are floats, too."""


def json_columns(objects: Iterable[Mapping[str, object]], most: int) -> pa.Schema:
    """Give each key the narrowest type that holds all its values without loss; the order is that of the file.

    Args:
        objects: read one by one.
        most: with more keys than these the rest of the objects is not read.

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
    """Tell whether a file's column was read from JSON."""
    return _KINDS in (field.metadata or {})


def is_json_text(field: pa.Field) -> bool:
    """Tell whether a column's strings are JSON texts."""
    return JSON_TEXT.items() <= (field.metadata or {}).items()


def unite_json(fields: Sequence[pa.Field]) -> pa.Field:
    """Give the column of several files the type that it would have, were they one file."""
    return _field(fields[0].name, {kind for field in fields for kind in _kinds(field)})


def json_converter(own: pa.Field | None, run: pa.Field) -> Callable[[object], object]:
    """Choose what brings a value of the file's own column to the type of the run's."""
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
    """Tell what holds an integer without loss: float64 and int64, int64 only, or neither."""
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
    """Write a value as JSON, with every digit of its numbers.

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
