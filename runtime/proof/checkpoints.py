"""Signed checkpoints as a verifier meets them: opened with the keys it was given, and refused with a name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from runtime.ledger.checkpoint import Checkpoint, open_checkpoint
from runtime.ledger.errors import NoteMalformed, NoteUntrusted
from runtime.ledger.note import Note, Verifier
from runtime.proof.errors import CheckpointRefused


@dataclass(frozen=True, slots=True)
class Keys:
    """Whom a verifier trusts: the log's own key with its earlier ones, and the witnesses that must have cosigned."""

    log: Verifier
    witnesses: tuple[Verifier, ...] = ()
    earlier: tuple[Verifier, ...] = ()

    @property
    def logs(self) -> tuple[Verifier, ...]:
        """Keys of the log, one of which must have signed. They are of one log: checkpoints bear its name."""
        return (self.log, *self.earlier)

    def open(self, field: str, note: bytes) -> tuple[Checkpoint, Note]:
        """The checkpoint that the log signed. Raises ``CheckpointRefused`` naming ``field``."""
        try:
            return open_checkpoint(note, self.logs, self.witnesses, origin=self.log.name)
        except (NoteMalformed, NoteUntrusted) as error:
            raise CheckpointRefused(field, str(error)) from error

    def require_witnesses(self, field: str, note: Note) -> tuple[Witnessed, ...]:
        """What each witness said of the note. Raises ``CheckpointRefused`` if one of them has not cosigned it."""
        lines = [(witness.name, note.signed_by(witness)) for witness in self.witnesses]
        absent = [name for name, line in lines if line is None]
        if absent:
            raise CheckpointRefused(field, f"not cosigned by {', '.join(absent)}")
        return tuple(Witnessed(name, line.time) for name, line in lines if line is not None)


@dataclass(frozen=True, slots=True)
class Witnessed:
    """A witness that cosigned a checkpoint, and when it says it did."""

    name: str
    time: datetime | None


def unchecked(note: Note) -> tuple[str, ...]:
    """Names on a note whose keys were not given: whoever changes those lines is not found out."""
    return tuple(sorted({line.name for line in note.unknown}))


def in_order(checkpoints: Sequence[Checkpoint]) -> int | None:
    """The place of the first checkpoint that does not come after the one before it in size."""
    sizes = [checkpoint.size for checkpoint in checkpoints]
    return next((at for at in range(1, len(sizes)) if sizes[at] <= sizes[at - 1]), None)
