"""Checkpoints (https://c2sp.org/tlog-checkpoint): a tree's size and root, as the text of a signed note.

    example.org/ledger                              origin: which log
    42                                              size, decimal without leading zeros
    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=    root, base64
    [extension line]                                none from this ledger; kept when read, since they are signed

A log must never sign two checkpoints of which one does not extend the other: that is what a witness watches.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from dataclasses import dataclass

from runtime.ledger.errors import NoteMalformed, NoteUntrusted
from runtime.ledger.merkle import EMPTY_ROOT, HASH_BYTES
from runtime.ledger.note import Note, Signer, Verifier, open_note, plain_base64, sign_note

LARGEST_SIZE = 2**63 - 1
_DECIMAL = re.compile(r"0|[1-9][0-9]{0,18}")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A log's size and root at one moment. ``root`` is 32 bytes."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for line in (self.origin, *self.extensions):
            if not line or any(character < " " for character in line):
                raise NoteMalformed("checkpoint", f"the line {line[:80]!r} is empty or holds a control character")
        if not 0 <= self.size <= LARGEST_SIZE:
            raise NoteMalformed("checkpoint", f"no tree has {self.size} leaves")
        if len(self.root) != HASH_BYTES:
            raise NoteMalformed("checkpoint", f"a root of {len(self.root)} bytes, not {HASH_BYTES}")
        if self.size == 0 and self.root != EMPTY_ROOT:
            raise NoteMalformed("checkpoint", "size 0, and a root that is not the empty tree's")

    def body(self) -> str:
        """The note's text: each line with its newline."""
        root = base64.b64encode(self.root).decode("ascii")
        return "".join(f"{line}\n" for line in (self.origin, str(self.size), root, *self.extensions))

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """The checkpoint that a note's text spells, in its one spelling. Raises ``NoteMalformed``."""
        lines = text.split("\n")
        if len(lines) < 4 or lines.pop() != "":
            raise NoteMalformed("checkpoint", "expected an origin, a size and a root, each on a line that ends")
        origin, size, encoded, *extensions = lines
        root = plain_base64(encoded)
        if root is None:
            raise NoteMalformed("checkpoint", f"its root {encoded[:80]!r} is not base64")
        return cls(origin, parse_size(size), root, tuple(extensions))


def parse_size(text: str) -> int:
    """A tree size in its one spelling. Raises ``NoteMalformed``."""
    if not _DECIMAL.fullmatch(text):
        raise NoteMalformed("checkpoint", f"its size {text[:80]!r} is not a decimal without leading zeros")
    return int(text)


def sign_checkpoint(checkpoint: Checkpoint, *signers: Signer) -> bytes:
    """The checkpoint as a signed note."""
    return sign_note(checkpoint.body(), *signers)


def open_checkpoint(
    data: bytes, logs: Iterable[Verifier], witnesses: Iterable[Verifier] = (), *, origin: str | None = None
) -> tuple[Checkpoint, Note]:
    """The checkpoint that the log signed, and its note, whose ``signed`` holds the witnesses' lines too.

    ``logs`` are the log's own keys, one of which must have signed: cosignatures alone make no checkpoint. The
    origin must be ``origin``, by default the name of the key that signed. How many witnesses are enough is the
    caller's to say. Raises what ``open_note`` raises, and ``NoteMalformed`` on a checkpoint of another log.
    """
    logs = tuple(logs)
    note = open_note(data, (*logs, *witnesses))
    signer = next((line.verifier for line in note.signed if line.verifier in logs), None)
    if signer is None:
        signers = tuple(sorted(line.verifier.name for line in note.signed))
        raise NoteUntrusted(signers, tuple(sorted(log.name for log in logs)))
    checkpoint = Checkpoint.parse(note.text)
    expected = signer.name if origin is None else origin
    if checkpoint.origin != expected:
        raise NoteMalformed("checkpoint", f"it is of the log {checkpoint.origin[:80]!r}, not of {expected!r}")
    return checkpoint, note
