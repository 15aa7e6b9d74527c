"""Find the Arrow types of JSON columns, by looking at every value."""

import json
from collections.abc import Callable, Iterable, Mapping
from types import NoneType
from typing import Final

import pyarrow as pa

_JSON: Final = {b"facebeam.json": b"true"}
"""Field metadata of a string column whose values are JSON texts: a string in it stands in its quotes."""


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


def json_converter(own: pa.Field | None, run: pa.Field) -> Callable[[object], object]:
    """Choose what brings a value of the file's own column to the type of the run's."""
    if own is not None and own.metadata == _JSON:
        return _as_json
    return _as_float if pa.types.is_floating(run.type) else _as_it_is


def _kind(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return _int_kind(value)
    return _KINDS.get(type(value), "json")


_KINDS: Final[dict[type, str]] = {NoneType: "null", bool: "bool", float: "float", str: "string"}


def _int_kind(value: int) -> str:
    """Tell what holds an integer without loss: float64 and int64, int64 only, or neither."""
    if abs(value) <= 2**53:
        return "int"
    return "wide int" if -(2**63) <= value < 2**63 else "json"


def _field(name: str, kinds: set[str]) -> pa.Field:
    if not kinds:
        return pa.field(name, pa.null())
    if kinds == {"bool"}:
        return pa.field(name, pa.bool_())
    if kinds <= {"int", "wide int"}:
        return pa.field(name, pa.int64())
    if kinds <= {"int", "float"}:
        return pa.field(name, pa.float64())
    return pa.field(name, pa.string(), metadata=None if kinds == {"string"} else _JSON)


def _as_it_is(value: object) -> object:
    return value


def _as_float(value: object) -> object:
    return float(value) if isinstance(value, int) else value


def _as_json(value: object) -> object:
    return None if value is None else json.dumps(value, ensure_ascii=False)
