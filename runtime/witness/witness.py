"""The witness: it cosigns a checkpoint only if that extends the last one it cosigned of the same log.

The checks, in the order of https://c2sp.org/tlog-witness, each with the HTTP status of its refusal:

    400  the request is one, and its old size is not larger than the checkpoint
    404  a key is trusted for the origin
    403  that key signed the checkpoint
    409  the old size is the one held (0 if none is); the same size has the same root
    422  the consistency proof leads from the root held to the new one

Then it keeps the note with its own line (``memory``), and only then lets the line out. From reading what is held
to keeping the new note, one request at a time: two at once could roll the memory back.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from datetime import datetime

from runtime.ledger.checkpoint import Checkpoint, open_checkpoint
from runtime.ledger.errors import NoteMalformed, NoteUntrusted, SignatureInvalid
from runtime.ledger.merkle import EMPTY_ROOT, verify_consistency
from runtime.ledger.note import Cosigner, Note, Signature, Verifier, add_signatures, open_note, read_note
from runtime.witness.errors import Forked, Inconsistent, MemoryDamaged, MemoryUnusable, Stale, UnknownLog
from runtime.witness.memory import Held, Memory
from runtime.witness.request import AddCheckpoint

_logger = logging.getLogger(__name__)


class Witness:
    """Cosigns for the logs whose keys it trusts; a key's name is the origin it may speak for."""

    def __init__(
        self, cosigner: Cosigner, logs: Iterable[Verifier], memory: Memory, clock: Callable[[], datetime]
    ) -> None:
        self._cosigner = cosigner
        self._memory = memory
        self._clock = clock
        self._one_at_a_time = threading.Lock()
        self._logs: dict[str, tuple[Verifier, ...]] = {}
        for log in logs:
            self._logs[log.name] = (*self._logs.get(log.name, ()), log)

    @property
    def verifier(self) -> Verifier:
        """The key that its cosignatures are checked with."""
        return self._cosigner.verifier

    def add_checkpoint(self, body: bytes) -> Signature:
        """The cosignature of the checkpoint that a request holds, which is kept before this returns.

        Raises ``NoteMalformed``, ``UnknownLog``, ``NoteUntrusted``, ``Stale`` (``Forked``), ``Inconsistent``,
        ``MemoryUnusable``.
        """
        request = AddCheckpoint.parse(body)
        origin = Checkpoint.parse(read_note(request.note)[0]).origin
        if origin not in self._logs:
            raise UnknownLog(origin)
        checkpoint, note = open_checkpoint(request.note, self._logs[origin])
        if request.old_size > checkpoint.size:
            raise NoteMalformed("add-checkpoint request", f"old size {request.old_size} of a tree of {checkpoint.size}")
        with self._one_at_a_time:
            held = self._memory.held(origin)
            try:
                _require_extension(request, checkpoint, held)
            except (Forked, Inconsistent) as error:
                self._accuse(error, body)
                raise
            line = self._cosigner.cosign(note.text, self._now(held))
            self._memory.keep(origin, _kept(note, line))
        return line

    def _now(self, held: Held | None) -> datetime:
        """The clock's time, but never before the last cosignature: that said its tree was the largest then."""
        now = self._clock()
        if held is None:
            return now
        try:
            (mine,) = open_note(held.note, [self.verifier]).signed
        except SignatureInvalid as error:
            raise MemoryDamaged(
                str(self._memory.folder), f"what it holds of {held.checkpoint.origin!r}: {error}"
            ) from error
        except NoteUntrusted:  # cosigned with an earlier key
            return now
        return max(now, mine.time or now)

    def _accuse(self, error: Stale | Inconsistent, body: bytes) -> None:
        """Keep what a log signed against its own past. The refusal stands whether it can be kept or not."""
        _logger.error("a trusted log signed what does not extend its past, or proved it wrongly: %s", error)
        try:
            self._memory.keep_evidence(body)
        except MemoryUnusable as unkept:
            _logger.error("the evidence could not be kept: %s", unkept)  # noqa: TRY400 - a line, not a trace


def _require_extension(request: AddCheckpoint, checkpoint: Checkpoint, held: Held | None) -> None:
    size, root = (0, EMPTY_ROOT) if held is None else (held.checkpoint.size, held.checkpoint.root)
    if request.old_size != size:
        raise Stale(checkpoint.origin, request.old_size, size)
    if checkpoint.size == size and checkpoint.root != root:
        raise Forked(checkpoint.origin, request.old_size, size)
    if not verify_consistency(size, checkpoint.size, request.proof, root, checkpoint.root):
        raise Inconsistent(checkpoint.origin, size, checkpoint.size)


def _kept(note: Note, line: Signature) -> bytes:
    """The note as it is kept: the log's verified lines and the witness's, not what strangers added."""
    lines = "".join(signed.signature.line() for signed in note.signed)
    return add_signatures(f"{note.text}\n{lines}".encode(), [line])
