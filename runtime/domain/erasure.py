"""Entries about the erasure of a data subject: ordered, and done.

    subject_erasure_ordered     who may go: refused while a legal hold covers one of the models
    (the keys are destroyed)    outside of the ledger, in ``runtime.storage.keyring``
    subject_erased              one for each model, when its key is gone

A subject stands in no entry, only the pseudonyms it had: one a model, since each model has a salt and a key of its own.
"""

from __future__ import annotations

import unicodedata
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from runtime.domain.base import Document
from runtime.domain.errors import RequestError
from runtime.domain.ids import ModelName

LONGEST_SUBJECT = 200

Pseudonym = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
"""A subject's HMAC-SHA256 under its random salt, in hex: nobody can compute it again once the salt is destroyed."""


class ErasurePart(Document):
    """What a subject was to one model; ``records`` are those that sealed segments hold when it is ordered."""

    model: ModelName
    pseudonym: Pseudonym
    records: int = Field(ge=0)


class SubjectErasureOrdered(Document):
    """The inputs of these records are to become unreadable. A legal hold that comes later does not stop it."""

    kind: Literal["subject_erasure_ordered"] = "subject_erasure_ordered"
    parts: tuple[ErasurePart, ...] = Field(min_length=1)
    reason: str


class SubjectErased(Document):
    """Salt and key are destroyed: nobody reads the inputs of these records any more, nor knows whose they were.

    Recorded after the destruction, so that it never claims what did not happen.
    """

    kind: Literal["subject_erased"] = "subject_erased"
    model: ModelName
    pseudonym: Pseudonym
    records: int = Field(ge=0)
    reason: str


def checked_subject(value: object, where: str) -> str:
    """Who a request is about, in one spelling (NFC). Raises ``RequestError``, which never repeats the value."""
    if not isinstance(value, str):
        raise RequestError(where, f"a {type(value).__name__}", "a string")
    subject = unicodedata.normalize("NFC", value)
    if not 0 < len(subject) <= LONGEST_SUBJECT:
        raise RequestError(where, f"{len(subject)} characters", f"1 to {LONGEST_SUBJECT}")
    if any(unicodedata.category(each) in {"Cc", "Cs"} for each in subject):
        raise RequestError(where, "control characters or halves of surrogate pairs", "text")
    return subject
