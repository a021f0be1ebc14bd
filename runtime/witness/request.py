"""The body of ``POST /add-checkpoint`` (https://c2sp.org/tlog-witness).

old 20852014                                    the size that the witness holds, as the log knows it
PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=    the consistency proof from there, at most 63 lines
jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=
                                                an empty line
example.com/behind-the-sofa                     the checkpoint, a signed note
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nT...

Its answer is a cosignature line, or a conflict whose body is the size that the witness holds.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass

from runtime.ledger.checkpoint import parse_size
from runtime.ledger.errors import NoteMalformed
from runtime.ledger.merkle import HASH_BYTES
from runtime.ledger.note import plain_base64

LONGEST_PROOF = 63
LARGEST_REQUEST_BYTES = 256 * 1024
SIZE_TYPE = "text/x.tlog.size"

_WHAT = "add-checkpoint request"


@dataclass(frozen=True, slots=True)
class AddCheckpoint:
    """A checkpoint, and the proof that it extends the tree of ``old_size``. ``note`` is not verified here."""

    old_size: int
    proof: tuple[bytes, ...]
    note: bytes

    def body(self) -> bytes:
        """The request's body."""
        lines = [f"old {self.old_size}", *(base64.b64encode(node).decode("ascii") for node in self.proof), "", ""]
        return "\n".join(lines).encode("ascii") + self.note

    @classmethod
    def parse(cls, body: bytes) -> AddCheckpoint:
        """What a body asks for. Raises ``NoteMalformed``."""
        head, divider, note = body.partition(b"\n\n")
        try:
            first, *lines = head.decode("ascii").split("\n")
        except UnicodeDecodeError as error:
            raise NoteMalformed(_WHAT, "its head is not ASCII") from error
        if not divider or not first.startswith("old "):
            raise NoteMalformed(_WHAT, "expected an old size, a proof, an empty line and a checkpoint")
        if len(lines) > LONGEST_PROOF:
            raise NoteMalformed(_WHAT, f"a proof of {len(lines)} hashes; at most {LONGEST_PROOF}")
        return cls(parse_size(first.removeprefix("old ")), tuple(_node(line) for line in lines), note)


def _node(line: str) -> bytes:
    node = plain_base64(line)
    if node is None or len(node) != HASH_BYTES:
        raise NoteMalformed(_WHAT, f"the proof line {line[:80]!r} is not the base64 of {HASH_BYTES} bytes")
    return node
