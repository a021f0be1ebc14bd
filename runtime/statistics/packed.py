"""Counts and detector states as bytes, for stores and shards: small, versioned, and checked when they are read.

     0   4  "FWST"
     4   1  version of this form: 1
     5   1  what: 1 counts, 2 a detector's state
     6   1  bytes of one count: 1, 2, 4 or 8, the fewest that hold the largest; 4 in a state (float32)
     7   1  0
     8   8  layout of the bins counted over
    16  32  the model and version watched, as a digest
    48   8  rows
    56   8  ticks, 0 for counts
    64   4  length of the body
    68      the body: counts, or ln R of each alternative and then the rows learned from
     n   4  CRC-32 of all before

All numbers are little-endian. Packed counts merge by addition (``merged``) without the baseline at hand; states are
never merged. Of a numeric feature a state is 22 alternatives x 4 + 2 x 17 bins x 4 = 224 bytes, and its counts are at
most 68 up to 4 billion rows. Each category costs a state 32 bytes.
"""

import hashlib
import struct
import zlib
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from runtime.statistics.bins import CountVector
from runtime.statistics.detector import DetectorState
from runtime.statistics.errors import CorruptState, LayoutMismatch
from runtime.statistics.plan import DetectorPlan
from runtime.statistics.profile import Counts, Layout

MAGIC = b"FWST"
VERSION = 1
_COUNTS, _STATE = 1, 2
_HEADER = struct.Struct("<4sBBBx8s32sQQI")
_CHECK = struct.Struct("<I")
_WIDTHS = (np.dtype("<u1"), np.dtype("<u2"), np.dtype("<u4"), np.dtype("<u8"))
_REMEMBERED = np.dtype("<f4")


class _Packed(NamedTuple):
    """What a header says, and the body."""

    what: int
    width: int
    layout: str
    model: bytes
    rows: int
    ticks: int
    body: bytes


def model_digest(model: str, version: int) -> bytes:
    """32 bytes that name a model's version."""
    return hashlib.sha256(f"{model}\0{version}".encode()).digest()


def pack_counts(counts: Counts, model: bytes) -> bytes:
    """``model``: the digest of whose counts they are."""
    return _pack_values(counts.values, counts.layout.digest, model, counts.rows)


def unpack_counts(data: bytes, layout: Layout, model: bytes) -> Counts:
    """The inverse. Raises CorruptState, LayoutMismatch, and InvalidStatistic for counts that do not add up."""
    packed = _parse(data, _COUNTS)
    _require_model(packed, model)
    if packed.layout != layout.digest:
        raise LayoutMismatch(layout.digest, packed.layout)
    return Counts(layout, packed.rows, _values(packed))


def merged(one: bytes, other: bytes) -> bytes:
    """Packed counts of both. Raises CorruptState, and LayoutMismatch if they are of different bins."""
    a, b = _parse(one, _COUNTS), _parse(other, _COUNTS)
    if a.layout != b.layout:
        raise LayoutMismatch(a.layout, b.layout)
    _require_model(b, a.model)
    left, right = _values(a), _values(b)
    if left.size != right.size:
        raise CorruptState("the number of counts", str(left.size), str(right.size))
    return _pack_values(left + right, a.layout, a.model, a.rows + b.rows)


def pack_state(state: DetectorState, model: bytes) -> bytes:
    """``model``: the digest of whose detector it is."""
    body = b"".join(array.astype(_REMEMBERED).tobytes() for array in (state.log_r, state.learned))
    return _sealed(_Packed(_STATE, _REMEMBERED.itemsize, state.digest, model, state.rows, state.ticks, body))


def unpack_state(data: bytes, plan: DetectorPlan, model: bytes) -> DetectorState:
    """The inverse, to the bit. Raises CorruptState, LayoutMismatch."""
    packed = _parse(data, _STATE)
    _require_model(packed, model)
    if packed.layout != plan.layout.digest:
        raise LayoutMismatch(plan.layout.digest, packed.layout)
    fresh = DetectorState.fresh(plan)
    length = fresh.log_r.nbytes + fresh.learned.nbytes
    if len(packed.body) != length:
        raise CorruptState("the length of the body", str(length), str(len(packed.body)))
    values = np.frombuffer(packed.body, dtype=_REMEMBERED).astype(np.float32)
    log_r, learned = values[: plan.size], values[plan.size :].reshape(fresh.learned.shape)
    if np.isnan(log_r).any() or not (np.isfinite(learned).all() and (learned >= 0).all()):
        raise CorruptState("the evidence", "numbers", "not a number")
    return DetectorState(packed.layout, packed.ticks, packed.rows, log_r, learned)


def _pack_values(values: CountVector, layout: str, model: bytes, rows: int) -> bytes:
    largest = int(values.max(initial=0))
    kind = next(kind for kind in _WIDTHS if largest <= np.iinfo(kind).max)
    return _sealed(_Packed(_COUNTS, kind.itemsize, layout, model, rows, 0, values.astype(kind).tobytes()))


def _values(packed: _Packed) -> npt.NDArray[np.int64]:
    kind = next((kind for kind in _WIDTHS if kind.itemsize == packed.width), None)
    if kind is None or len(packed.body) % kind.itemsize:
        raise CorruptState("the width of a count", "1, 2, 4 or 8 bytes that fill the body", str(packed.width))
    return np.frombuffer(packed.body, dtype=kind).astype(np.int64)


def _require_model(packed: _Packed, model: bytes) -> None:
    if packed.model != model:
        raise CorruptState("the model", model.hex(), packed.model.hex())


def _sealed(packed: _Packed) -> bytes:
    what, width, layout, model, rows, ticks, body = packed
    head = _HEADER.pack(MAGIC, VERSION, what, width, bytes.fromhex(layout), model, rows, ticks, len(body))
    return head + body + _CHECK.pack(zlib.crc32(body, zlib.crc32(head)))


def _parse(data: bytes, wanted: int) -> _Packed:
    least = _HEADER.size + _CHECK.size
    if len(data) < least:
        raise CorruptState("the length", f"at least {least} bytes", str(len(data)))
    magic, version, what, width, layout, model, rows, ticks, length = _HEADER.unpack_from(data)
    if magic != MAGIC:
        raise CorruptState("the beginning", repr(MAGIC), repr(magic))
    if version != VERSION:
        raise CorruptState("the version", str(VERSION), str(version))
    if len(data) != least + length:
        raise CorruptState("the length", f"{least + length} bytes", str(len(data)))
    if _CHECK.unpack_from(data, len(data) - _CHECK.size)[0] != zlib.crc32(data[: -_CHECK.size]):
        raise CorruptState("the checksum", "that of the bytes", "another")
    if what != wanted:
        names = {_COUNTS: "counts", _STATE: "a detector's state"}
        raise CorruptState("the content", names[wanted], names.get(what, str(what)))
    return _Packed(what, width, layout.hex(), model, rows, ticks, data[_HEADER.size : -_CHECK.size])
