"""What a passport's entries and records say, typed: the events that must stand where the passport names them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from pydantic import ConfigDict, Field, StrictInt, ValidationError

from runtime.domain import canonical
from runtime.domain import events as e
from runtime.domain.base import Document
from runtime.domain.errors import LedgerCorrupt
from runtime.domain.ids import Digest, ModelName
from runtime.ledger.walk import Leaf, read_leaf
from runtime.proof.errors import PassportInvalid
from runtime.proof.passport import Passport, ProvenEntry
from runtime.proof.places import path_of

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_Event = TypeVar("_Event")


class Record(Document):
    """The columns of a decision record that tie it to its version; a segment may have more."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    number: StrictInt
    decision_id: str
    row: StrictInt
    time: StrictInt = Field(ge=0, lt=2**53)
    model: ModelName
    version: StrictInt
    artifact: Digest
    grant_id: str
    subject: str = ""

    @property
    def moment(self) -> datetime:
        """When it was decided; in the record, microseconds since 1970-01-01 UTC."""
        return _EPOCH + timedelta(microseconds=self.time)


@dataclass(frozen=True, slots=True)
class Facts:
    """A passport's parts, each read from the field of its own name. ``leaves`` holds who recorded them and when."""

    governor: e.GovernorStarted
    spec: e.SpecApplied
    declaration: e.ModelDeclared
    dataset: e.DatasetPrepared | None
    registration: e.VersionRegistered
    evaluation: e.VersionEvaluated
    request: e.ApprovalRequested | None
    consents: tuple[e.ApprovalGiven, ...]
    approval: e.VersionApproved
    grant: e.GrantIssued
    segment: e.SegmentSealed
    erasure: e.SubjectErased | None
    opening: e.BreakGlassOpened | None
    signature: e.BreakGlassSigned | None
    records: tuple[Record, ...]
    leaves: dict[str, Leaf]

    @classmethod
    def of(cls, passport: Passport) -> Facts:
        """The facts of a passport whose proofs hold. Raises ``PassportInvalid`` naming what is not of its kind."""
        leaves = {field: _leaf(field, entry) for field, entry in passport.entries.named()}
        consents = [field for field in leaves if field.startswith("entries.consents[")]
        return cls(
            governor=_event(leaves, "entries.governor", e.GovernorStarted),
            spec=_event(leaves, "entries.spec", e.SpecApplied),
            declaration=_event(leaves, "entries.declaration", e.ModelDeclared),
            dataset=_event(leaves, "entries.dataset", e.DatasetPrepared) if passport.entries.dataset else None,
            registration=_event(leaves, "entries.registration", e.VersionRegistered),
            evaluation=_event(leaves, "entries.evaluation", e.VersionEvaluated),
            request=_event(leaves, "entries.request", e.ApprovalRequested) if passport.entries.request else None,
            consents=tuple(_event(leaves, field, e.ApprovalGiven) for field in consents),
            approval=_event(leaves, "entries.approval", e.VersionApproved),
            grant=_event(leaves, "entries.grant", e.GrantIssued),
            segment=_event(leaves, "entries.segment", e.SegmentSealed),
            erasure=_event(leaves, "entries.erasure", e.SubjectErased) if passport.entries.erasure else None,
            opening=_event(leaves, "entries.opening", e.BreakGlassOpened) if passport.entries.opening else None,
            signature=_event(leaves, "entries.signature", e.BreakGlassSigned) if passport.entries.signature else None,
            records=tuple(_record(at, each.record) for at, each in enumerate(passport.decision.records)),
            leaves=leaves,
        )

    @property
    def consenting(self) -> tuple[str, ...]:
        """Who consented, in order."""
        return tuple(self.leaves[f"entries.consents[{at}]"].principal for at in range(len(self.consents)))


def record_field(at: int, name: str = "") -> str:
    """The path of a record, or of one column of it."""
    return path_of(("decision", "records", at, "record", *filter(None, [name])))


def _leaf(field: str, entry: ProvenEntry) -> Leaf:
    try:
        return read_leaf(entry.seq, canonical.encode(entry.leaf))
    except LedgerCorrupt as error:
        raise PassportInvalid(f"{field}.leaf", error.reason) from error


def _event(leaves: dict[str, Leaf], field: str, kind: type[_Event]) -> _Event:
    event = leaves[field].event
    if not isinstance(event, kind):
        raise PassportInvalid(f"{field}.leaf.event.kind", f"it is {event.kind}, which has no place here")
    return event


def _record(at: int, columns: dict[str, Any]) -> Record:
    try:
        return Record.model_validate(columns)
    except ValidationError as error:
        problem = error.errors()[0]
        raise PassportInvalid(record_field(at, path_of(problem["loc"])), problem["msg"]) from error
