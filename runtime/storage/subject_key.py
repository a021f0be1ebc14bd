"""What a data subject's key does: it turns the inputs of a decision into ciphertext, and back while it lives.

    sealed      base64( nonce, 12 bytes | AES-256-GCM ciphertext and tag )              one for each row
    plaintext   {"numbers": [...], "texts": [...]}      as a record's leaf would say them (see ``leaves``)
    associated  <decision id>:<row>                     a ciphertext that is moved to another record does not open

The decision's record holds ``sealed`` in place of its inputs, so that the leaf commits to ciphertext and pseudonym.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from runtime.domain import canonical
from runtime.domain.decision import Decision
from runtime.domain.errors import IntegrityError, RequestError
from runtime.storage.leaves import record_leaf

NONCE_BYTES = 12

Inputs = tuple[list[float | None], list[str | None]]
"""Numbers and texts of one row, in the order of its schema."""


class SealedInputsDamaged(IntegrityError):
    """A ciphertext does not open under its subject's key: it was changed, or belongs to another record."""

    def __init__(self, decision_id: str, row: int) -> None:
        super().__init__(decision_id, row)
        self.decision_id, self.row = decision_id, row

    def __str__(self) -> str:
        return f"decision {self.decision_id} row {self.row}: the sealed inputs are not what its subject's key sealed"


@dataclass(frozen=True, slots=True)
class SubjectKey:
    """The key of one subject towards one model. Its secret is never shown."""

    pseudonym: str
    _cipher: AESGCM = field(repr=False)

    def protect(self, decision: Decision) -> Decision:
        """The decision as it may be written down. Raises ``RequestError`` for text that UTF-8 cannot hold."""
        sealed = tuple(
            self.seal(
                decision.decision_id,
                row,
                ([column[row] for column in decision.numbers], [column[row] for column in decision.texts]),
            )
            for row in range(decision.rows)
        )
        return replace(decision, numbers=(), texts=(), subject=self.pseudonym, sealed=sealed)

    def seal(self, decision_id: str, row: int, inputs: Inputs) -> str:
        """The inputs of a row as ciphertext, another one each time."""
        numbers, texts = inputs
        try:
            plain = record_leaf({"numbers": numbers, "texts": texts})
        except ValueError as error:
            raise RequestError("record", "text with lone surrogates", "values that JSON can hold") from error
        nonce = secrets.token_bytes(NONCE_BYTES)
        return base64.b64encode(nonce + self._cipher.encrypt(nonce, plain, _place(decision_id, row))).decode()

    def open(self, decision_id: str, row: int, sealed: str) -> Inputs:
        """The inputs of a row. Raises ``SealedInputsDamaged``."""
        try:
            raw = base64.b64decode(sealed, validate=True)
            plain = self._cipher.decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], _place(decision_id, row))
        except (InvalidTag, binascii.Error, ValueError) as error:
            raise SealedInputsDamaged(decision_id, row) from error
        document = canonical.decode(plain)
        return _floats(document["numbers"]), document["texts"]


def _place(decision_id: str, row: int) -> bytes:
    return f"{decision_id}:{row}".encode()


def _floats(values: Sequence[float | str | None]) -> list[float | None]:
    """Numbers again; a leaf says NaN and the infinities in words."""
    return [None if value is None else float(value) for value in values]
