"""Tensors of the Open Inference Protocol: from JSON or raw bytes to flat values of their datatype.

    in JSON   {name, shape, datatype, data}                                    data flat or nested, null = missing
    raw       {name, shape, datatype, parameters: {binary_data_size}}          the bytes follow the JSON, in order

Raw tensors are little-endian and row-major; BOOL takes one byte; an element of BYTES is a u32 length and so many
bytes of UTF-8. NaN is a missing value there. Numbers are read where they lie, without becoming Python values.

https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from runtime.domain.errors import RequestError, Unsupported
from runtime.serving.protocols.columns import NONE, TEXTS, Types
from runtime.serving.protocols.document import brief, kind, listed

MOST_AXES = 8

_BOOLEANS: Types = frozenset([bool, NONE])
_INTEGERS: Types = frozenset([int, NONE])
_FLOATS: Types = frozenset([float, int, NONE])
MIXED: Types = _FLOATS | TEXTS
"""What a BYTES tensor of whole rows holds in JSON: text, and numbers as they are."""

_RANGES = {
    **{f"INT{bits}": (-(1 << bits - 1), (1 << bits - 1) - 1) for bits in (8, 16, 32, 64)},
    **{f"UINT{bits}": (0, (1 << bits) - 1) for bits in (8, 16, 32, 64)},
}
_TYPES: dict[str, Types] = {
    "BOOL": _BOOLEANS,
    **dict.fromkeys(_RANGES, _INTEGERS),
    **{f"FP{bits}": _FLOATS for bits in (16, 32, 64)},
    "BYTES": TEXTS,
}
RAW = {
    "BOOL": np.dtype("?"),
    **{f"INT{bits}": np.dtype(f"<i{bits // 8}") for bits in (8, 16, 32, 64)},
    **{f"UINT{bits}": np.dtype(f"<u{bits // 8}") for bits in (8, 16, 32, 64)},
    **{f"FP{bits}": np.dtype(f"<f{bits // 8}") for bits in (16, 32, 64)},
}
"""How a raw element of each datatype lies in memory; BYTES has no fixed width."""

_LENGTH = struct.Struct("<I")


class Tensor(NamedTuple):  # a frozen dataclass takes four times as long to build
    name: str
    datatype: str
    shape: list[int]
    data: list[Any] | NDArray[Any]

    def values(self, types: Types | None = None) -> list[Any] | NDArray[Any]:
        """The elements, flat, counted and of the datatype (or of ``types``)."""
        if isinstance(self.data, np.ndarray):
            return self.data
        values = _flat(self.data, self.shape, self.name)
        allowed = types or _TYPES[self.datatype]
        if not allowed.issuperset(map(type, values)):
            wrong = next(value for value in values if type(value) not in allowed)
            raise RequestError(f"input {self.name!r}: data", kind(wrong), f"{self.datatype} elements or null")
        if self.datatype in _RANGES:
            self._check_range(values)
        return values

    def _check_range(self, values: list[Any]) -> None:
        low, high = _RANGES[self.datatype]
        present = [value for value in values if value is not None] if None in values else values
        if present and not (low <= min(present) and max(present) <= high):
            wrong = next(value for value in present if not low <= value <= high)
            raise RequestError(f"input {self.name!r}: data", kind(wrong), f"{self.datatype}: {low} to {high}")


class Raw:
    """The bytes after the JSON, handed out in tensor order."""

    def __init__(self, content: memoryview) -> None:
        self._content, self._at = content, 0

    def take(self, size_bytes: Any, name: str) -> memoryview:
        """The next so many bytes. Raises ``RequestError``."""
        where = f"input {name!r}: parameters.binary_data_size"
        if type(size_bytes) is not int or size_bytes < 0:
            raise RequestError(where, kind(size_bytes), "a number of bytes")
        left = len(self._content) - self._at
        if size_bytes > left:
            raise RequestError(where, f"{size_bytes} bytes", f"at most {left}, which are left of the body")
        part = self._content[self._at : self._at + size_bytes]
        self._at += size_bytes
        return part

    def end(self) -> None:
        """Raises ``RequestError`` if bytes are left over."""
        if left := len(self._content) - self._at:
            raise RequestError("body", f"{left} bytes after the last tensor", "none")


NO_RAW = Raw(memoryview(b""))


def tensor(value: Any, position: int, raw: Raw) -> Tensor:
    """One element of ``inputs``. Raises ``RequestError``, ``Unsupported``."""
    if type(value) is not dict:
        raise RequestError(f"inputs[{position}]", kind(value), "an object {name, shape, datatype, data}")
    name, shape, datatype, data = value.get("name"), value.get("shape"), value.get("datatype"), value.get("data")
    if type(name) is not str:
        raise RequestError(f"inputs[{position}].name", kind(name), "a string")
    if type(datatype) is not str or datatype not in _TYPES:
        raise RequestError(f"input {name!r}: datatype", kind(datatype), f"one of {listed(_TYPES)}")
    if type(shape) is not list or not shape or {*map(type, shape)} != {int} or min(shape) < 1:
        raise RequestError(f"input {name!r}: shape", kind(shape), "a list of whole numbers above 0")
    if len(shape) > MOST_AXES:
        raise RequestError(f"input {name!r}: shape", f"{len(shape)} axes", f"at most {MOST_AXES}")
    parameters = value.get("parameters")
    if parameters:
        size_bytes = _binary_size(parameters, f"input {name!r}")
        if size_bytes is not None:
            if data is not None:
                raise RequestError(f"input {name!r}", "data and binary_data_size", "one of them")
            return Tensor(name, datatype, shape, _decoded(raw.take(size_bytes, name), datatype, shape, name))
    if type(data) is not list:
        raise RequestError(f"input {name!r}: data", kind(data), "a list, or parameters.binary_data_size")
    return Tensor(name, datatype, shape, data)


def _binary_size(parameters: Any, where: str) -> Any:
    if type(parameters) is not dict:
        raise RequestError(f"{where}: parameters", kind(parameters), "an object")
    refuse_shared_memory(parameters, where)
    return parameters.get("binary_data_size")


def refuse_shared_memory(parameters: dict[str, Any], where: str) -> None:
    """Raises ``Unsupported`` with the region's name: a replica never maps memory that a caller names."""
    region = parameters.get("shared_memory_region")
    if region is not None:
        raise Unsupported(f"{where}: shared memory region {kind(region)}; send the tensor in the body")


def _decoded(part: memoryview, datatype: str, shape: list[int], name: str) -> list[Any] | NDArray[Any]:
    count = math.prod(shape)
    if datatype == "BYTES":
        return _texts(part, count, name)
    kind_of = RAW[datatype]
    if len(part) != count * kind_of.itemsize:
        expected = f"{count * kind_of.itemsize} for {datatype} of shape {shape}"
        raise RequestError(f"input {name!r}: parameters.binary_data_size", f"{len(part)} bytes", expected)
    elements: NDArray[Any] = np.frombuffer(part, dtype=np.uint8 if datatype == "BOOL" else kind_of)
    return elements != 0 if datatype == "BOOL" else elements


def _texts(part: memoryview, count: int, name: str) -> list[str]:
    where, at = f"input {name!r}: binary data", 0
    texts: list[str] = []
    if count > len(part) // _LENGTH.size:
        raise RequestError(where, f"{len(part)} bytes", f"at least {_LENGTH.size * count} for {count} elements")
    for _ in range(count):
        if at + _LENGTH.size > len(part):
            raise RequestError(where, f"the end after {len(texts)} elements", f"{count} elements")
        start = at + _LENGTH.size
        at = start + int(_LENGTH.unpack_from(part, at)[0])
        if at > len(part):
            raise RequestError(
                where, f"an element of {at - start} bytes", f"at most {len(part) - start}, which are left"
            )
        try:
            texts.append(str(part[start:at], "utf-8"))
        except UnicodeDecodeError as error:
            raise RequestError(where, brief(error), "UTF-8 in each element") from error
    if at != len(part):
        raise RequestError(where, f"{len(part) - at} bytes after the last element", "none")
    return texts


def _flat(data: list[Any], shape: list[int], name: str) -> list[Any]:
    """Row-major elements of flat or nested data; every level must have the size its shape says."""
    if data and type(data[0]) is list:
        where = f"input {name!r}: data"
        if len(data) != shape[0]:
            raise RequestError(where, f"{len(data)} lists", f"{shape[0]} for shape {shape}")
        for axis, size in enumerate(shape[1:], 1):
            if not all(type(part) is list and len(part) == size for part in data):
                expected = f"lists of {size} along axis {axis} of shape {shape}"
                raise RequestError(where, "nested lists of another size", expected)
            data = list(chain.from_iterable(data))
    elif len(data) != math.prod(shape):
        expected = f"{math.prod(shape)} for shape {shape}"
        raise RequestError(f"input {name!r}: data", f"{len(data)} elements", expected)
    return data


def raw_bytes(datatype: str, values: Any) -> bytes:
    """An output's elements as the binary extension writes them; None is NaN, or empty text."""
    if datatype != "BYTES":
        return np.asarray(values, dtype=RAW[datatype]).tobytes()
    return bytes_elements([b"" if value is None else value.encode() for value in values])


def bytes_elements(parts: Iterable[bytes]) -> bytes:
    """A BYTES tensor's elements, each with its length before it."""
    return b"".join([_LENGTH.pack(len(part)) + part for part in parts])
