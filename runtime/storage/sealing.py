"""From a closed write-ahead file to ledger entries, in an order that survives being killed anywhere.

    1  put the segments into the store            killed here: sealed again, to the same bytes, under the same digest
    2  write <file>.wal.sealed: the drafts        killed here: as 1, or as 3
    3  publish the drafts                         killed here: published again, byte for byte, under the same ids
    4  delete the .wal, then the .sealed          killed here: a .sealed without its .wal is swept away

So every record ends in exactly one ledger entry: the ledger records an event id once. The ids come from replica,
epoch, file index, content and first number, never from chance. The .sealed file keeps step 3 equal even when the
library that writes Parquet was upgraded in between; on a full disk it is left out, since sealing frees the disk.

Records that the model's policy did not keep are counted in the file, and each count is a ``RecordsDropped``.

A file may say that numbers were used up which it does not hold: a changed frame, a write that failed, a tail lost with
the machine. Each is a ``RecordsLost``, and the damaged file is kept as ``.wal.damaged``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from pydantic import ValidationError

from runtime.domain import canonical
from runtime.domain.entry import Draft
from runtime.domain.events import RecordsDropped, RecordsLost, SegmentContent, SegmentSealed, event_from_document
from runtime.domain.ids import derived_id
from runtime.storage.frames import decode_frames
from runtime.storage.objects import ObjectStore
from runtime.storage.segments import gaps, lost_records, seal
from runtime.storage.wal import SUFFIX, ClosedWal, Numbers, WalContent, boot_id

SEALED_SUFFIX = SUFFIX + ".sealed"

Sealed = SegmentSealed | RecordsLost | RecordsDropped


def seal_file(wal: ClosedWal, store: ObjectStore, principal: str) -> list[Draft]:
    """Steps 1 and 2: the drafts that account for every number of the file. Safe to repeat.

    Raises ``StoreUnavailable``, ``FrameUnreadable`` or ``RecordsOutOfOrder``; the file is then untouched.
    """
    sealed = _read_sealed(_sealed_path(wal.path))
    if sealed is not None:
        return sealed
    content = wal.read()
    segments = seal(decode_frames(content.records), store, wal.replica, wal.epoch)
    events: list[Sealed] = [*segments, *losses_of(wal, content, segments), *_dropped(wal, content)]
    drafts = [Draft(event, principal, _event_id(event, wal.index)) for event in events]
    if drafts:
        with suppress(OSError):
            _write_sealed(_sealed_path(wal.path), drafts)
    return drafts


def finish_file(wal: ClosedWal) -> None:
    """Step 4, after the drafts were published. A damaged file is put aside instead."""
    if wal.is_damaged:
        wal.keep_aside()
    else:
        wal.delete()
    _sealed_path(wal.path).unlink(missing_ok=True)


def sweep_sealed(directory: Path) -> None:
    """Remove each .sealed whose .wal is gone: a file name is never used again."""
    for sealed in directory.glob(f"*{SEALED_SUFFIX}"):
        if not sealed.with_suffix("").exists():
            sealed.unlink(missing_ok=True)


def losses_of(wal: ClosedWal, content: WalContent, segments: list[SegmentSealed]) -> list[RecordsLost]:
    """The numbers the file used up and does not hold, between its two marks."""
    begin, end = content.begin or Numbers(), content.end or wal.end
    losses = []
    for kind in SegmentContent:
        own = [segment for segment in segments if segment.content is kind]
        # A file that lost its own first frame cannot say where its numbers begin: at its first record, then.
        first = _of(begin, kind) if content.begin or not own else min(s.first_number for s in own)
        losses += gaps(first - 1, own)
        following = max((segment.last_number + 1 for segment in own), default=first)
        if end is not None and _of(end, kind) > following:
            losses.append(lost_records(kind, wal.replica, wal.epoch, (following, _of(end, kind) - 1)))
        elif end is None and kind is SegmentContent.DECISIONS and (why := _unclean(content)):
            losses.append(lost_records(kind, wal.replica, wal.epoch, (following, following), why))
    return losses


def _dropped(wal: ClosedWal, content: WalContent) -> list[RecordsDropped]:
    """What the file counts as not kept on purpose."""
    return [
        RecordsDropped(
            content=SegmentContent(kind),
            model=model,
            replica=wal.replica,
            epoch=wal.epoch,
            file=wal.index,
            records=records,
        )
        for (kind, model), records in sorted(content.dropped.items())
    ]


def _unclean(content: WalContent) -> str | None:
    """Why more may be lost than numbers can tell, in a file whose writer died without closing it."""
    if content.damage and content.damage[-1].reason.startswith("torn tail"):
        size = content.damage[-1].size_bytes
        return f"or outcomes, from this number on: the file ends in {size} torn bytes, which may have been acknowledged"
    if content.boot_id and content.boot_id != boot_id():
        return "or outcomes, from this number on, may be lost: the machine restarted while the file was open"
    return None


def _of(numbers: Numbers, content: SegmentContent) -> int:
    return numbers.decisions if content is SegmentContent.DECISIONS else numbers.outcomes


def _event_id(event: Sealed, index: int) -> str:
    if isinstance(event, RecordsDropped):
        return derived_id(event.kind, event.replica, event.epoch, index, event.content.value, event.model)
    # A loss has no field for its content; its reason begins with it.
    content = event.content.value if isinstance(event, SegmentSealed) else event.reason.partition(":")[0]
    return derived_id(event.kind, event.replica, event.epoch, index, content, event.first_number)


def _sealed_path(wal: Path) -> Path:
    return wal.with_suffix(SEALED_SUFFIX)


def _write_sealed(path: Path, drafts: Iterable[Draft]) -> None:
    documents = [
        {"event_id": draft.event_id, "principal": draft.principal, "event": draft.event.as_document()}
        for draft in drafts
    ]
    temporary = path.with_suffix(".tmp")
    try:
        with temporary.open("wb") as file:
            file.write(canonical.encode(documents))
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def _read_sealed(path: Path) -> list[Draft] | None:
    """The drafts of an earlier try; None if there was none, or if what it left cannot be read."""
    try:
        documents = json.loads(path.read_bytes())
        return [Draft(event_from_document(d["event"]), d["principal"], d["event_id"]) for d in documents]
    except (FileNotFoundError, ValueError, KeyError, TypeError, ValidationError):
        return None
