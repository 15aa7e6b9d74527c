"""Read the nodes and the weights of a convolutional network from an ONNX file.

An ONNX file is a protocol buffer; the field numbers are those of `onnx.proto`. This module reads a dozen
fields itself, so that the project does not depend on the package `onnx`.
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

_VARINT: Final = 0
_FIXED64: Final = 1
_BYTES: Final = 2
_FIXED32: Final = 5
_MORE: Final = 0x80
"""The bit of a byte that says that the next byte belongs to the same number."""
_FLOAT: Final = 1
"""TensorProto.DataType: float32."""


@dataclass(frozen=True, slots=True)
class Node:
    """One operator of the network."""

    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    numbers: Mapping[str, tuple[int, ...]]
    """Attributes that are integers or lists of integers."""
    reals: Mapping[str, float]
    """Attributes that are floats."""


@dataclass(frozen=True, slots=True)
class OnnxGraph:
    """A network: its operators in order, its weights, and the names of its outputs."""

    nodes: tuple[Node, ...]
    weights: Mapping[str, NDArray[np.float32]]
    outputs: tuple[str, ...]


def read_onnx(content: bytes) -> OnnxGraph:
    """Read an ONNX file; weights of other types than float32 are ignored.

    Raises:
        ValueError: the bytes are not a protocol buffer, or do not contain one graph.
    """
    graph = _only(content, 7)
    tensors = (_tensor(body) for body in _bodies(graph, 5))
    return OnnxGraph(
        nodes=tuple(_node(body) for body in _bodies(graph, 1)),
        weights={name: values for name, values in tensors if values is not None},
        outputs=tuple(_text(body, 1) for body in _bodies(graph, 12)),
    )


def _node(body: bytes) -> Node:
    numbers: dict[str, tuple[int, ...]] = {}
    reals: dict[str, float] = {}
    for attribute in _bodies(body, 5):
        name = _text(attribute, 1)
        for value in _bodies(attribute, 2):
            (reals[name],) = struct.unpack("<f", value)
        if found := _integers(attribute, 3) or _integers(attribute, 8):
            numbers[name] = found
    texts = (tuple(value.decode() for value in _bodies(body, field)) for field in (1, 2))
    inputs, outputs = texts
    return Node(_text(body, 4), inputs, outputs, numbers, reals)


def _tensor(body: bytes) -> tuple[str, NDArray[np.float32] | None]:
    if _integers(body, 2) != (_FLOAT,):
        return _text(body, 8), None
    raw = b"".join(_bodies(body, 9)) or b"".join(_bodies(body, 4))
    return _text(body, 8), np.frombuffer(raw, "<f4").reshape(_integers(body, 1))


def _text(body: bytes, number: int) -> str:
    return _only(body, number).decode()


def _only(body: bytes, number: int) -> bytes:
    found = _bodies(body, number)
    if len(found) != 1:
        raise ValueError(f"ONNX field {number} stands {len(found)} times where it must stand once")
    return found[0]


def _bodies(body: bytes, number: int) -> list[bytes]:
    return [value for field, value in _fields(body) if field == number and isinstance(value, bytes)]


def _integers(body: bytes, number: int) -> tuple[int, ...]:
    """Give the values of a repeated integer field, packed or not."""
    found: list[int] = []
    for field, value in _fields(body):
        if field == number:
            found += [value] if isinstance(value, int) else _packed(value)
    return tuple(found)


def _packed(body: bytes) -> list[int]:
    values, at = [], 0
    while at < len(body):
        value, at = _varint(body, at)
        values.append(value)
    return values


def _fields(body: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield the fields of a message: the field's number, and its value as an integer or bytes."""
    at = 0
    while at < len(body):
        key, at = _varint(body, at)
        kind = key & 7
        if kind == _VARINT:
            value, at = _varint(body, at)
            yield key >> 3, value
            continue
        length = {_FIXED64: 8, _FIXED32: 4}.get(kind)
        if kind == _BYTES:
            length, at = _varint(body, at)
        if length is None or at + length > len(body):
            raise ValueError(f"no ONNX file: wire type {kind} at byte {at} of {len(body)}")
        yield key >> 3, body[at : at + length]
        at += length


def _varint(body: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(body):
            raise ValueError(f"no ONNX file: it ends within a number, at byte {at}")
        byte, at = body[at], at + 1
        value |= (byte & ~_MORE) << shift
        if not byte & _MORE:
            return value, at
        shift += 7
