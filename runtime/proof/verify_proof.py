"""A proof file, checked with public keys alone: what ``fleetward ledger prove`` or ``consistency`` printed, or the API
answered.

    inclusion      leaf -> leaf_hash -> hashes -> root of ``size`` <- checkpoint, signed
    consistency    old_root of ``old_size`` -> hashes -> root of ``size`` <- checkpoint, signed

A consistency proof says nothing of who signed the older root: it is compared with a checkpoint that was kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from runtime.ledger.checkpoint import Checkpoint
from runtime.ledger.merkle import HASH_BYTES, leaf_hash, verify_consistency, verify_inclusion
from runtime.proof.bundle import document_of
from runtime.proof.checkpoints import Keys
from runtime.proof.errors import CheckpointRefused, FileUnreadable, ProofFieldInvalid

WHAT = "proof"


@dataclass(frozen=True, slots=True)
class ProofVerification:
    """A good proof. ``seq`` is the entry of an inclusion proof, ``old_size`` the older tree of a consistency proof."""

    proves: Literal["inclusion", "consistency"]
    size: int
    root: str
    signed_by: str
    seq: int | None = None
    leaf: str | None = None
    old_size: int | None = None
    old_root: str | None = None


def verify_proof(content: bytes, keys: Keys, *, since: bytes | None = None) -> ProofVerification:
    """Check a proof, and that its older tree is the checkpoint ``since`` that somebody kept.

    Raises ``FileUnreadable``, ``CheckpointRefused``, and ``ProofFieldInvalid`` naming the field.
    """
    fields = _Fields(document_of(WHAT, content))
    size, root = fields.number("size"), fields.digest("root")
    checkpoint, signer = _checkpoint(fields, keys)
    for name, said, signed in (("size", size, checkpoint.size), ("root", root, checkpoint.root)):
        if said != signed:
            raise ProofFieldInvalid(name, "not that of the signed checkpoint")
    if "seq" in fields.document:
        if since is not None:
            raise CheckpointRefused("--since", "an inclusion proof holds no older tree to compare it with")
        return _inclusion(fields, size, root, signer)
    return _consistency(fields, size, root, signer, None if since is None else keys.open("--since", since)[0])


def _inclusion(fields: _Fields, size: int, root: bytes, signer: str) -> ProofVerification:
    seq, hashed, leaf = fields.number("seq"), fields.digest("leaf_hash"), fields.text("leaf")
    if leaf_hash(leaf.encode("utf-8", "surrogatepass")) != hashed:
        raise ProofFieldInvalid("leaf", "its bytes do not hash to leaf_hash")
    if not verify_inclusion(hashed, seq, size, fields.hashes(), root):
        raise ProofFieldInvalid("hashes", f"do not lead from entry {seq} to the root of {size} entries")
    return ProofVerification("inclusion", size, root.hex(), signer, seq=seq, leaf=leaf)


def _consistency(fields: _Fields, size: int, root: bytes, signer: str, kept: Checkpoint | None) -> ProofVerification:
    old_size, old_root = fields.number("old_size"), fields.digest("old_root")
    if kept is not None and (kept.size, kept.root) != (old_size, old_root):
        raise ProofFieldInvalid("old_root", f"not that of the kept checkpoint of {kept.size} entries")
    if not verify_consistency(old_size, size, fields.hashes(), old_root, root):
        raise ProofFieldInvalid("hashes", f"do not lead from the tree of {old_size} to that of {size}")
    return ProofVerification("consistency", size, root.hex(), signer, old_size=old_size, old_root=old_root.hex())


def _checkpoint(fields: _Fields, keys: Keys) -> tuple[Checkpoint, str]:
    if "checkpoint" not in fields.document:
        raise CheckpointRefused("checkpoint", "missing: nobody signed the root of this proof")
    checkpoint, note = keys.open("checkpoint", fields.text("checkpoint").encode())
    keys.require_witnesses("checkpoint", note)
    signers = [line.verifier for line in note.signed if line.verifier in keys.logs]
    return checkpoint, f"{signers[0].name}+{signers[0].key_hash.hex()}"


class _Fields:
    """The fields of a proof, each of its type or refused by its name."""

    def __init__(self, document: dict[str, object]) -> None:
        self.document = document

    def number(self, name: str) -> int:
        found = self.document.get(name)
        if not isinstance(found, int) or isinstance(found, bool) or found < 0:
            raise FileUnreadable(WHAT, f"{name} is not a number from 0")
        return found

    def text(self, name: str) -> str:
        found = self.document.get(name)
        if not isinstance(found, str):
            raise FileUnreadable(WHAT, f"{name} is not a text")
        return found

    def digest(self, name: str) -> bytes:
        return _hash(name, self.document.get(name))

    def hashes(self) -> list[bytes]:
        found = self.document.get("hashes")
        if not isinstance(found, list):
            raise FileUnreadable(WHAT, "hashes is not a list")
        return [_hash(f"hashes[{at}]", each) for at, each in enumerate(found)]


def _hash(name: str, found: object) -> bytes:
    try:
        raw = bytes.fromhex(found) if isinstance(found, str) else b""
    except ValueError:
        raw = b""
    if len(raw) != HASH_BYTES or raw.hex() != found:
        raise FileUnreadable(WHAT, f"{name} is not a hash: {HASH_BYTES} bytes in hex")
    return raw
