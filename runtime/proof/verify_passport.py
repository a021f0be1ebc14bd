"""The offline check of a passport: its form, then what is signed and proven, then what belongs together.

    1  form        canonical JSON with the fields of ``passport``
    2  signature   the checkpoint is the log's own, and cosigned by each witness that was asked for
    3  proofs      each entry under the checkpoint's root, each record under its segment's record root
    4  links       ``links``: same model, version, digest, grant, policy; a valid signature; times and order

The first field that does not hold is named. What one file cannot show: that no later entry revoked the grant (the
whole ledger shows it: a bundle), and that what was recorded was true when it was written.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from runtime.ledger.checkpoint import Checkpoint
from runtime.proof.checkpoints import Keys, Witnessed, unchecked
from runtime.proof.errors import PassportInvalid
from runtime.proof.facts import Facts
from runtime.proof.links import broken_links
from runtime.proof.passport import Passport


@dataclass(frozen=True, slots=True)
class PassportVerification:
    """A passport that holds, in the terms of its question: who decided, and who let them."""

    decision_id: str
    rows: int
    decided_at: datetime
    model: str
    version: int
    artifact: str
    grant_id: str
    inputs: str
    """In the clear, sealed under the key of a data subject, or erased at which entry."""
    approved_by: tuple[str, ...]
    approval_reason: str
    policy: str
    dataset: str
    gates: int
    origin: str
    size: int
    gaps: tuple[str, ...]
    witnesses: tuple[Witnessed, ...]
    unchecked: tuple[str, ...]


def verify_passport(content: bytes, keys: Keys) -> PassportVerification:
    """Check a passport. Raises ``PassportInvalid``, ``CheckpointRefused`` or ``FileUnreadable``."""
    passport = Passport.decode(content)
    checkpoint, note = keys.open("checkpoint", passport.checkpoint.encode("utf-8"))
    witnesses = keys.require_witnesses("checkpoint", note)
    _require_entries(passport, checkpoint)
    facts = Facts.of(passport)
    _require_records(passport, facts)
    for broken in broken_links(passport, facts):
        raise PassportInvalid(broken.field, broken.reason)
    return PassportVerification(
        decision_id=passport.decision.decision_id,
        rows=len(facts.records),
        decided_at=facts.records[0].moment,
        model=facts.registration.model,
        version=facts.registration.version,
        artifact=facts.registration.artifact,
        grant_id=facts.grant.signed.grant.grant_id,
        inputs=inputs_of(passport, facts),
        approved_by=facts.approval.approved_by,
        approval_reason=facts.approval.reason,
        policy=facts.approval.policy,
        dataset=facts.registration.dataset,
        gates=len(facts.evaluation.report.gates),
        origin=checkpoint.origin,
        size=checkpoint.size,
        gaps=passport.gaps,
        witnesses=witnesses,
        unchecked=unchecked(note),
    )


def inputs_of(passport: Passport, facts: Facts) -> str:
    """What became of the inputs, in words."""
    if passport.entries.erasure is not None:
        return f"erased at entry {passport.entries.erasure.seq}"
    subject = facts.records[0].subject
    return f"sealed under the key of data subject {subject[:12]}" if subject else "in the clear"


def _require_entries(passport: Passport, checkpoint: Checkpoint) -> None:
    for field, entry in passport.entries.named():
        if not entry.is_under(checkpoint.root, checkpoint.size):
            reason = f"its leaf and proof do not make it entry {entry.seq} of the checkpoint's {checkpoint.size}"
            raise PassportInvalid(field, reason)


def _require_records(passport: Passport, facts: Facts) -> None:
    segment = facts.segment
    try:
        root = bytes.fromhex(segment.record_root)
    except ValueError as error:
        raise PassportInvalid("entries.segment.leaf.event.record_root", "not hex") from error
    for at, (proven, record) in enumerate(zip(passport.decision.records, facts.records, strict=True)):
        if not proven.is_under(root, record.number - segment.first_number, segment.records):
            reason = f"its record and proof do not make it number {record.number} of the segment's record root"
            raise PassportInvalid(f"decision.records[{at}]", reason)
