"""The format of a write-ahead file, and reading one.

file   = frame*
frame  = u32 length | u32 crc32 | payload         little-endian; length and crc32 are of the payload, length > 0
payload  is JSON: first a mark ["h", ...], then records (see ``frames``), last, if the file was closed, ["e", ...]
         A second ["h", ...] replaces the first: numbers were used up while the file was being made.

["h", layout, boot id, next decision number, next outcome number]
["s", content, model, records]                     records that were not kept, on purpose: they have no numbers
["e", next decision number, next outcome number]
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import NamedTuple

import orjson

from runtime.storage.frames import FrameUnreadable

LAYOUT = 2

_FRAME = struct.Struct("<II")
_MARKS = frozenset((b'["h",', b'["e",', b'["s",'))


class Numbers(NamedTuple):
    """The next free record number of each content."""

    decisions: int = 1
    outcomes: int = 1


@dataclass(frozen=True, slots=True)
class Damage:
    """Bytes of a file that are not frames: a torn tail, or a changed frame among good ones."""

    offset: int
    size_bytes: int
    reason: str


@dataclass(frozen=True, slots=True)
class WalContent:
    """What a file holds. ``begin`` and ``end`` are its marks; a file without ``end`` was not closed."""

    records: tuple[bytes, ...]
    damage: tuple[Damage, ...] = ()
    begin: Numbers | None = None
    end: Numbers | None = None
    boot_id: str = ""
    dropped: dict[tuple[str, str], int] = field(default_factory=dict)
    """How many records were not kept on purpose, by content and model."""


@cache
def boot_id() -> str:
    """Which start of this machine this is; empty where the kernel does not tell."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def frame_of(payload: bytes) -> bytes:
    """The payload with its length and checksum before it."""
    return _FRAME.pack(len(payload), zlib.crc32(payload)) + payload


def header_payload(numbers: Numbers, boot: str) -> bytes:
    """The first payload of a file."""
    return orjson.dumps(("h", LAYOUT, boot, numbers.decisions, numbers.outcomes))


def dropped_payload(content: str, model: str, records: int) -> bytes:
    """A payload that counts records which were not kept."""
    return orjson.dumps(("s", content, model, records))


def end_payload(numbers: Numbers) -> bytes:
    """The last payload of a closed file."""
    return orjson.dumps(("e", numbers.decisions, numbers.outcomes))


def read_frames(path: Path) -> WalContent:
    """Every whole frame of a file, and what is not one.

    Stops at a torn tail. A frame with a wrong checksum before a good one was changed after it was written; it
    alone is left out. Raises ``FrameUnreadable`` for the layout of another release.
    """
    payloads, damage = _split(path.read_bytes())
    begin = end = None
    boot = ""
    records = []
    dropped: dict[tuple[str, str], int] = {}
    for payload in payloads:
        mark = payload[:5]
        if mark not in _MARKS:
            records.append(payload)
        elif mark == b'["h",':
            boot, begin = _begin(payload)
        elif mark == b'["e",':
            end = Numbers(*orjson.loads(payload)[1:])
        else:
            _, content, model, count = orjson.loads(payload)
            dropped[content, model] = dropped.get((content, model), 0) + count
    return WalContent(tuple(records), tuple(damage), begin, end, boot, dropped)


def _split(content: bytes) -> tuple[list[bytes], list[Damage]]:
    payloads: list[bytes] = []
    damage: list[Damage] = []
    offset = 0
    while True:
        offset = _good_frames(content, offset, payloads)
        if offset == len(content):
            return payloads, damage
        _, reason = _frame_at(content, offset)
        following = _after(content, offset)
        size = (following or len(content)) - offset
        damage.append(Damage(offset, size, reason if following else f"torn tail: {reason}"))
        offset += size


def _good_frames(content: bytes, offset: int, payloads: list[bytes]) -> int:
    """Add every good frame from ``offset`` on, and give where that ends; ``_frame_at`` says why."""
    size, header, unpack, crc32 = len(content), _FRAME.size, _FRAME.unpack_from, zlib.crc32
    while offset + header <= size:
        length, checksum = unpack(content, offset)
        end = offset + header + length
        payload = content[offset + header : end]
        if not length or end > size or crc32(payload) != checksum:
            break
        payloads.append(payload)
        offset = end
    return offset


def _frame_at(content: bytes, offset: int) -> tuple[bytes | None, str]:
    start = offset + _FRAME.size
    if start > len(content):
        return None, "no whole frame header"
    length, checksum = _FRAME.unpack_from(content, offset)
    if length == 0:  # a tail of zeros, which some file systems leave after a power loss, has a valid crc32
        return None, "empty frame"
    if start + length > len(content):
        return None, f"{len(content) - start} of {length} bytes"
    payload = content[start : start + length]
    return (payload, "") if zlib.crc32(payload) == checksum else (None, "checksum")


def _after(content: bytes, offset: int) -> int | None:
    """Where a good frame follows the bad one at ``offset``, if its length can be believed."""
    if offset + _FRAME.size > len(content):
        return None
    following = offset + _FRAME.size + int(_FRAME.unpack_from(content, offset)[0])
    good = following > offset + _FRAME.size and _frame_at(content, following)[0] is not None
    return following if good else None


def begin_of(path: Path) -> Numbers | None:
    """Where a file's numbers begin, which is where those of the file before it end."""
    with path.open("rb") as file:
        payloads, _ = _split(file.read(1024))
    headers = [payload for payload in payloads if payload.startswith(b'["h",')]
    return _begin(headers[-1])[1] if headers else None


def _begin(payload: bytes) -> tuple[str, Numbers]:
    _, layout, boot, decisions, outcomes = orjson.loads(payload)
    if layout != LAYOUT:
        raise FrameUnreadable(payload.decode(), f"layout {layout}; this release reads {LAYOUT}")
    return boot, Numbers(decisions, outcomes)
