"""What signs for a ledger: a key, wherever it is kept.

    /folder/governor.pem           a file of mode 0600, made there if there is none (``signing``)
    awskms:///alias/ledger         a key that never leaves AWS KMS (``kms``): id, alias or ARN

Apart from the database, always: who holds both can write another history and sign it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

KMS_PREFIX = "awskms:///"


class Key(Protocol):
    """A private Ed25519 key that signs without being shown."""

    @property
    def public_key_text(self) -> str:
        """``ed25519:`` and the base64 of the public key's 32 bytes."""
        ...

    @property
    def key_id(self) -> str:
        """What tells keys apart; see ``signing.key_id_of``."""
        ...

    def sign(self, content: bytes) -> str:
        """The signature of these bytes, in base64."""
        ...


def open_key(where: str) -> Key:
    """The key that is kept there. Raises ``KeyUnusable``, and ``KeyUnreachable`` when its keeper does not answer."""
    if where.startswith(KMS_PREFIX):
        from runtime.ledger.kms import KmsKey

        return KmsKey.open(where.removeprefix(KMS_PREFIX))
    from runtime.ledger.signing import SigningKey

    return SigningKey.load_or_create(Path(where))
