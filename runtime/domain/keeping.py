"""Entries about what is kept, deleted and given out: legal holds, bodies whose time is over, evidence packs.

What is deleted are the bodies of records, never entries: a ``segment_sealed`` stays with its digest and record root,
so that whoever kept a record can still prove it, and nobody can put another in its place.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from runtime.domain.base import Document, Moment
from runtime.domain.ids import Digest, ModelName

HoldNumber = Annotated[int, Field(ge=1)]
"""Holds are numbered over the whole ledger; numbers only grow."""


class LegalHoldPlaced(Document):
    """From now on no body that holds a record of this model is deleted, however old."""

    kind: Literal["legal_hold_placed"] = "legal_hold_placed"
    hold: HoldNumber
    model: ModelName
    reason: str


class LegalHoldReleased(Document):
    """A hold is over; others of the same model go on."""

    kind: Literal["legal_hold_released"] = "legal_hold_released"
    hold: HoldNumber
    reason: str


class BodiesDeleted(Document):
    """The bodies of these segments are deleted: every record in them was kept for its model's time.

    Recorded before the store is touched: a body that is missing is always explained by an entry. ``before`` is the
    moment before which the newest record in any of them was made, ``models`` are all whose records they hold.
    """

    kind: Literal["bodies_deleted"] = "bodies_deleted"
    digests: tuple[Digest, ...] = Field(min_length=1)
    models: tuple[ModelName, ...] = Field(min_length=1)
    records: int = Field(ge=1)
    before: Moment
    reason: str


class EvidenceExported(Document):
    """An evidence pack of a model and a period was written: who holds a pack finds its ``digest`` here.

    ``since`` and ``until`` are the period's ends, in the ledger's time; ``entries`` is the size of the ledger under
    whose checkpoint it stands, ``samples`` how many decision records it shows.
    """

    kind: Literal["evidence_exported"] = "evidence_exported"
    model: ModelName
    since: Moment
    until: Moment
    digest: Digest
    entries: int = Field(ge=1)
    samples: int = Field(ge=0)
