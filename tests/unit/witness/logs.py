"""A log in memory, for witnesses to watch: it signs what it is told to, forks too."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from runtime.ledger.checkpoint import Checkpoint, sign_checkpoint
from runtime.ledger.merkle import consistency_proof, leaf_hash, root
from runtime.ledger.note import Cosigner, Signer
from runtime.ledger.signing import SigningKey
from runtime.witness.request import AddCheckpoint

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def key(seed: int) -> SigningKey:
    return SigningKey(Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32))


@dataclass(frozen=True)
class Hashes:
    hashes: tuple[str, ...]


class MemoryLog:
    """Leaves "0", "1", ...; from ``fork_at`` on they are another history's."""

    def __init__(self, name: str = "log.example", *, seed: int = 1, fork_at: int | None = None) -> None:
        self.signer = Signer(key(seed), name)
        self.name = name
        self._fork_at = fork_at

    def leaves(self, size: int) -> list[bytes]:
        fork = size if self._fork_at is None else self._fork_at
        return [leaf_hash(b"%d" % n if n < fork else b"%d from %d" % (n, fork)) for n in range(size)]

    def checkpoint(self, size: int) -> Checkpoint:
        return Checkpoint(self.name, size, root(self.leaves(size)))

    def note(self, size: int) -> bytes:
        return sign_checkpoint(self.checkpoint(size), self.signer)

    def proof(self, old: int, new: int) -> tuple[bytes, ...]:
        return tuple(consistency_proof(self.leaves(new), old))

    def consistency(self, old: int, new: int) -> Hashes:
        """As ``runtime.ledger.proofs.Proofs`` gives it."""
        return Hashes(tuple(node.hex() for node in self.proof(old, new)))

    def request(self, old: int, new: int) -> bytes:
        return AddCheckpoint(old, self.proof(old, new), self.note(new)).body()


def cosigner(seed: int = 2) -> Cosigner:
    return Cosigner(key(seed), "witness.example")
