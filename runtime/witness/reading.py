"""What anchors are worth: which of a store's versions hold the log to its word, and whether it gave two."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from runtime.domain.base import rfc3339
from runtime.ledger.checkpoint import Checkpoint, open_checkpoint
from runtime.ledger.errors import NoteMalformed, NoteUntrusted
from runtime.ledger.note import Verifier
from runtime.witness.anchor import Anchored, object_name
from runtime.witness.errors import AnchorConflict


@dataclass(frozen=True, slots=True)
class AnchorReading:
    """One version. ``checkpoint`` is None unless the log signed it; ``fault`` says why it is no anchor, if it is none.

    A signed checkpoint that is not locked is no anchor, and still convicts a log that signed another history.
    """

    anchored: Anchored
    checkpoint: Checkpoint | None
    fault: str | None


def read_anchor(anchored: Anchored, log: Verifier, now: datetime) -> AnchorReading:
    """What a version says under the log's key."""
    try:
        checkpoint, _ = open_checkpoint(anchored.note, [log])
    except (NoteMalformed, NoteUntrusted) as error:
        return AnchorReading(anchored, None, str(error))
    return AnchorReading(anchored, checkpoint, _fault(anchored, checkpoint, now))


def require_one_history(place: str, readings: Iterable[AnchorReading]) -> None:
    """Pass silently if the log signed one root for each size. Raises ``AnchorConflict`` for the smallest with two.

    Two roots of one size need no tree to be seen. That checkpoints of different sizes are of one history, only the
    ledger's entries show: ``fleetward verify BUNDLE --since NOTE``.
    """
    signed = [reading.checkpoint for reading in readings if reading.checkpoint is not None]
    roots: dict[int, bytes] = {}
    for checkpoint in sorted(signed, key=lambda each: each.size):
        first = roots.setdefault(checkpoint.size, checkpoint.root)
        if first != checkpoint.root:
            raise AnchorConflict(place, checkpoint.size, first.hex(), checkpoint.root.hex())


def _fault(anchored: Anchored, checkpoint: Checkpoint, now: datetime) -> str | None:
    if anchored.name.rpartition("/")[2] != object_name(checkpoint.size):
        return f"its name is not that of size {checkpoint.size}"
    if anchored.locked_until is None:
        return "not locked in mode COMPLIANCE"
    if anchored.locked_until <= now:
        return f"its lock ended at {rfc3339(anchored.locked_until)}"
    return None
