"""A small ledger that ends in one decision, to be changed in one place and proven anew: only a link is then broken."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from runtime.domain import canonical
from runtime.domain import events as e
from runtime.domain.entry import leaf_bytes
from runtime.domain.grant import Grant
from runtime.domain.ids import derived_id
from runtime.domain.keeping import BodiesDeleted
from runtime.ledger.checkpoint import Checkpoint, sign_checkpoint
from runtime.ledger.merkle import inclusion_proof, leaf_hash, root
from runtime.ledger.note import Cosigner, Signer, Verifier, add_signatures
from runtime.ledger.signing import SigningKey, sign_grant
from runtime.proof.bundle import NOTHING_DELETED, Deleted, write_bundle
from runtime.proof.checkpoints import Keys
from runtime.proof.links import policy_of
from runtime.proof.passport import Gap, Passport, ProvenDecision, ProvenEntries, ProvenEntry, ProvenRecord
from tests.unit.domain.lives import (
    MODEL,
    MONDAY,
    a_grant,
    a_spec,
    applied,
    approved,
    declared,
    digest,
    evaluated,
    granted,
    prepared,
    registered,
)

ORIGIN = "example.org/ledger"
DECISION = derived_id("decision", 1)
SPEC = a_spec()
POLICY = policy_of(SPEC.as_document())
DECIDED = MONDAY + timedelta(hours=1)


def key(number: int) -> SigningKey:
    """A key that is the same in every run."""
    return SigningKey(Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32))


LOG = Signer(key(1), ORIGIN)
WITNESS = Cosigner(key(2), "witness.example.org")
STRANGER = Signer(key(3), ORIGIN)
KEYS = Keys(LOG.verifier)


def signed(leaves: Sequence[bytes], *, cosigned: bool = False, signer: Signer = LOG, origin: str = ORIGIN) -> bytes:
    """The checkpoint over these leaves, as a note."""
    checkpoint = Checkpoint(origin, len(leaves), root(map(leaf_hash, leaves)))
    note = sign_checkpoint(checkpoint, signer)
    return add_signatures(note, [WITNESS.cosign(checkpoint.body(), MONDAY)]) if cosigned else note


def bundle(
    leaves: Sequence[bytes], notes: Sequence[bytes] | None = None, *, deleted: Deleted = NOTHING_DELETED
) -> bytes:
    """A bundle of these leaves, under one checkpoint if no other notes are given."""
    stream = io.BytesIO()
    write_bundle(stream, [signed(leaves)] if notes is None else notes, leaves, deleted)
    return stream.getvalue()


def leaf(seq: int, event: e.Event, by: str = "service:governor", *, event_id: str = "", minutes: int = -1) -> bytes:
    """Entry ``seq`` of a ledger that writes one a minute."""
    time = MONDAY + timedelta(minutes=seq if minutes < 0 else minutes)
    return leaf_bytes(event_id or derived_id("entry", seq), time, by, event)


def watermarks(count: int) -> list[bytes]:
    """Leaves of a ledger in which only time passes."""
    return [leaf(seq, e.WatermarkAdvanced(until=MONDAY + timedelta(days=seq))) for seq in range(count)]


def deletion(seq: int) -> bytes:
    """Entry ``seq``: retention deleted two bodies with thirty records."""
    digests = (digest("body 1"), digest("body 2"))
    return leaf(seq, BodiesDeleted(digests=digests, models=(MODEL,), records=30, before=MONDAY, reason="over"))


def record(number: int, row: int = 0, *, at: datetime = DECIDED, **columns: Any) -> dict[str, Any]:
    """A decision record as its leaf says it."""
    return {
        "artifact": registered().artifact,
        "decision_id": DECISION,
        "grant_id": "grant-1",
        "model": MODEL,
        "number": number,
        "numbers": [12.5, None, "NaN"],
        "output": 321.5,
        "row": row,
        "texts": ["UA", None],
        "time": round(at.timestamp() * 1_000_000),
        "variant": "champion",
        "version": 1,
    } | columns


@dataclass
class Case:
    """The entries behind a decision, by the names of a passport's fields and in the order of the ledger."""

    events: dict[str, e.Event]
    by: dict[str, str] = field(default_factory=dict)
    records: list[dict[str, Any]] = field(default_factory=lambda: [record(11, 0), record(12, 1)])
    others: list[dict[str, Any]] = field(default_factory=lambda: [record(10, decision_id=derived_id("other"))])
    grant: Grant = field(default_factory=lambda: a_grant().model_copy(update={"policy": POLICY}))
    signer: SigningKey = field(default_factory=lambda: key(1))
    gaps: tuple[Gap, ...] = ()
    hidden: tuple[str, ...] = ()

    def change(self, name: str, **fields: Any) -> Case:
        """Another event in the place of this one."""
        self.events[name] = self.events[name].model_copy(update=fields)
        return self

    def first(self, name: str, *, before: str) -> Case:
        """The same entries in another order."""
        moved = {name: self.events.pop(name)}
        events = list(self.events.items())
        at = [each for each, _ in events].index(before)
        self.events = dict([*events[:at], *moved.items(), *events[at:]])
        return self

    def leaves(self) -> list[bytes]:
        """The ledger."""
        return [leaf(seq, event, self._author(name)) for seq, (name, event) in enumerate(self._recorded().items())]

    def passport(self, *, cosigned: bool = False) -> Passport:
        """Its last decision, with proofs that hold."""
        leaves = self.leaves()
        hashes = [leaf_hash(each) for each in leaves]
        proven = {
            name: ProvenEntry(seq=seq, leaf=canonical.decode(leaves[seq]), proof=_hex(inclusion_proof(hashes, seq)))
            for seq, name in enumerate(self._recorded())
            if name not in self.hidden and not name.startswith("padding")
        }
        consents = tuple(proven.pop(name) for name in list(proven) if name.startswith("consents"))
        rows = [leaf_hash(canonical.encode(each)) for each in self._rows()]
        records = tuple(
            ProvenRecord(record=each, proof=_hex(inclusion_proof(rows, self._rows().index(each))))
            for each in self.records
        )
        return Passport(
            checkpoint=signed(leaves, cosigned=cosigned).decode(),
            decision=ProvenDecision(decision_id=DECISION, rows=len(records), records=records),
            entries=ProvenEntries.model_validate({**proven, "consents": consents}),
            gaps=self.gaps,
        )

    def _recorded(self) -> dict[str, e.Event]:
        segment, grant = self.events["segment"], self.events["grant"]
        rows = root([leaf_hash(canonical.encode(each)) for each in self._rows()]).hex()
        if isinstance(segment, e.SegmentSealed) and not segment.record_root:
            segment = segment.model_copy(update={"record_root": rows})
        if isinstance(grant, e.GrantIssued) and grant.signed.signature == "s":
            grant = grant.model_copy(update={"signed": sign_grant(self.grant, self.signer)})
        padding = {f"padding {at}": e.WatermarkAdvanced(until=MONDAY) for at in range(5)}
        return {**self.events, "segment": segment, "grant": grant, **padding}

    def _rows(self) -> list[dict[str, Any]]:
        return [*self.others, *self.records]

    def _author(self, name: str) -> str:
        return self.by.get(name, "service:governor")


def automatic() -> Case:
    """Approved by the policy's own rule."""
    policy = approved().model_copy(update={"policy": POLICY, "approved_by": (f"policy:{POLICY[7:19]}",)})
    return Case(
        {
            "governor": e.GovernorStarted(epoch=1, key_id=key(1).key_id, public_key=key(1).public_key_text),
            "spec": applied(SPEC),
            "dataset": prepared(),
            "declaration": declared(),
            "registration": registered(),
            "evaluation": evaluated(),
            "approval": policy,
            "grant": e.GrantIssued(model=MODEL, version=1, signed=granted().signed),
            "segment": e.SegmentSealed(
                content=e.SegmentContent.DECISIONS,
                digest=registered().artifact,
                record_root="",
                records=3,
                replica="r1",
                epoch="e1",
                first_number=10,
                last_number=12,
                first_time=DECIDED - timedelta(seconds=1),
                last_time=DECIDED + timedelta(seconds=1),
            ),
        },
        by={"registration": "user:dora"},
    )


def by_people() -> Case:
    """Approved by two people, who were asked."""
    case = automatic()
    asked = e.ApprovalRequested(model=MODEL, version=1, approvers=2, role="approver", reason="high risk", policy=POLICY)
    consent = e.ApprovalGiven(model=MODEL, version=1, reason="looks right")
    case.events |= {"request": asked, "consents 0": consent, "consents 1": consent}
    case.by |= {"consents 0": "user:ada", "consents 1": "user:bob"}
    for name in ("request", "consents 0", "consents 1"):
        case.first(name, before="approval")
    return case.change("approval", automatic=False, approved_by=("user:ada", "user:bob"))


def witness_keys(*verifiers: Verifier) -> Keys:
    """The log's key and these witnesses'."""
    return Keys(LOG.verifier, verifiers)


def _hex(proof: Sequence[bytes]) -> tuple[str, ...]:
    return tuple(each.hex() for each in proof)
