"""What a monitor knows of its models, as bytes for the store.

     0   4  "FWMS"
     4   1  version of this form: 1
     5   8  bytes of the rest once it is unpacked
    13      zstd of:
              0   4  length of the head
              4      the head: JSON {"monitor", "monitors", "size", "specs": {digest: spec}, "watches": [...]}
              n      parts, which the head names as [start, length]

``size``: how many entries of the ledger it knows. Numbers are little-endian. The bytes are checked against their digest
where they are read (``runtime.storage.objects``), and the detectors' parts have checksums of their own. What is of
another version, or does not fit, is refused: then the monitor reads the segments again instead.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import pyarrow as pa

from runtime.domain import canonical
from runtime.domain.errors import FleetwardError
from runtime.domain.spec import Spec
from runtime.monitoring.shards import Shard
from runtime.monitoring.watch import Watch
from runtime.monitoring.watch_form import Document, Parts, Taken, document_of, watch_of
from runtime.statistics.errors import CorruptState, StatisticsError

MAGIC = b"FWMS"
VERSION = 1
_OUTER = struct.Struct("<4sBQ")
_INNER = struct.Struct("<I")
MOST_BYTES = 1 << 34
"""No save is larger, whatever its first bytes say."""


@dataclass(frozen=True, slots=True)
class Saved:
    """A save that was read: whose it is, how many entries it knows, and what it knows by model."""

    shard: Shard
    size: int
    watches: Mapping[str, Watch]


def pack(shard: Shard, size: int, watches: Iterable[Watch]) -> bytes:
    """The bytes of what is known after ``size`` entries: the same knowledge gives the same bytes."""
    parts = Parts()
    specs: dict[str, Document] = {}
    documents = []
    for watch in watches:
        if watch.spec is not None and watch.spec_digest not in specs:
            specs[watch.spec_digest] = watch.spec.as_document()
        documents.append(document_of(watch, parts))
    head = {
        "monitor": shard.monitor,
        "monitors": shard.monitors,
        "size": size,
        # In canonical JSON, whose numbers are read back as they were written.
        "specs": {digest: canonical.encode(document).decode() for digest, document in specs.items()},
        "watches": documents,
    }
    text = orjson.dumps(head)
    raw = _INNER.pack(len(text)) + text + parts.joined()
    body: bytes = pa.compress(raw, codec="zstd", asbytes=True)
    return _OUTER.pack(MAGIC, VERSION, len(raw)) + body


def unpack(data: bytes, *, owns: Shard | None = None) -> Saved:
    """The inverse; with ``owns`` only of that monitor's models. Raises ``CorruptState``."""
    head, taken = _parse(data)
    try:
        specs = {digest: Spec.model_validate(canonical.decode(text.encode())) for digest, text in head["specs"].items()}
        watches = (watch_of(document, taken, specs) for document in _owned(head["watches"], owns))
        known = {watch.model: watch for watch in watches}
        return Saved(Shard(int(head["monitor"]), int(head["monitors"])), int(head["size"]), known)
    except CorruptState:
        raise
    except (FleetwardError, StatisticsError, ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise CorruptState("the content", "that of this version", f"{type(error).__name__}: {error}") from error


def _owned(documents: Sequence[Document], shard: Shard | None) -> Iterable[Document]:
    return (each for each in documents if shard is None or shard.owns(each["model"]))


def _parse(data: bytes) -> tuple[dict[str, Any], Taken]:
    if len(data) < _OUTER.size:
        raise CorruptState("the length", f"at least {_OUTER.size} bytes", str(len(data)))
    magic, version, length = _OUTER.unpack_from(data)
    if magic != MAGIC:
        raise CorruptState("the beginning", repr(MAGIC), repr(magic))
    if version != VERSION:
        raise CorruptState("the version", str(VERSION), str(version))
    if not _INNER.size <= length <= MOST_BYTES:
        raise CorruptState("the length", f"{_INNER.size} to {MOST_BYTES} bytes", str(length))
    try:
        raw = pa.decompress(data[_OUTER.size :], decompressed_size=length, codec="zstd", asbytes=True)
        (head,) = _INNER.unpack_from(raw)
        start = _INNER.size + head
        return orjson.loads(raw[_INNER.size : start]), Taken(memoryview(raw)[start:])
    except (OSError, ValueError) as error:  # pyarrow's errors are both
        raise CorruptState("the content", "zstd of a head and parts", str(error)) from error
