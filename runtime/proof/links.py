"""The links of a passport: proven parts that must belong together, each a sentence about two fields.

Proofs say that each part stands in the ledger; these say that the parts speak of one another. Every link either holds
or names the field that does not fit, what it says, and what the other side says.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from typing import Any, NamedTuple

from runtime.domain import canonical
from runtime.domain.base import rfc3339
from runtime.domain.events import ApprovalRequested, SegmentContent
from runtime.domain.ids import digest_of
from runtime.ledger.errors import KeyUnusable
from runtime.ledger.signing import key_id_of, verify
from runtime.proof.facts import Facts, record_field
from runtime.proof.passport import Passport

POLICY_PARTS = ("approval", "gates", "guardrail", "monitor", "retrain", "risk_tier", "rollout")
"""What of a spec decides about its versions: the policy digest is that of these parts, as they stand in the spec."""


class Broken(NamedTuple):
    """A link that does not hold."""

    field: str
    reason: str


def broken_links(passport: Passport, facts: Facts) -> Iterator[Broken]:
    """Every link that does not hold, in the order of the chain: from the decision to the data."""
    yield from _decision(passport, facts)
    yield from _segment(facts)
    yield from _erasure(facts)
    yield from _grant(facts)
    yield from _approval(facts)
    yield from _version(facts)
    yield from _gaps(passport, facts)
    yield from _order(passport, facts)


def policy_of(spec: dict[str, Any]) -> str:
    """The policy digest of a spec's document."""
    return digest_of(canonical.encode({name: spec[name] for name in POLICY_PARTS if name in spec}))


def _decision(passport: Passport, facts: Facts) -> Iterator[Broken]:
    """The rows are one request's, in order, and all of the granted version."""
    registered, granted = facts.registration, facts.grant.signed.grant
    first = facts.records[0]
    yield from _same("decision.records", len(facts.records), passport.decision.rows)
    for at, record in enumerate(facts.records):
        yield from _same(record_field(at, "decision_id"), record.decision_id, passport.decision.decision_id)
        yield from _same(record_field(at, "row"), record.row, at)
        yield from _same(record_field(at, "number"), record.number, first.number + at)
        yield from _same(record_field(at, "grant_id"), record.grant_id, granted.grant_id)
        yield from _same(record_field(at, "model"), record.model, registered.model)
        yield from _same(record_field(at, "version"), record.version, registered.version)
        yield from _same(record_field(at, "artifact"), record.artifact, registered.artifact)
        if not granted.valid_from <= record.moment < granted.valid_until:
            until = f"{rfc3339(granted.valid_from)} to {rfc3339(granted.valid_until)}"
            yield Broken(record_field(at, "time"), f"{rfc3339(record.moment)} is not within the grant, {until}")


def _segment(facts: Facts) -> Iterator[Broken]:
    segment = facts.segment
    field = "entries.segment.leaf.event"
    yield from _same(f"{field}.content", segment.content, SegmentContent.DECISIONS)
    yield from _same(f"{field}.records", segment.records, segment.last_number - segment.first_number + 1)
    for at, record in enumerate(facts.records):
        if not segment.first_time <= record.moment <= segment.last_time:
            between = f"{rfc3339(segment.first_time)} to {rfc3339(segment.last_time)}"
            yield Broken(record_field(at, "time"), f"{rfc3339(record.moment)} is not in the segment, {between}")


def _erasure(facts: Facts) -> Iterator[Broken]:
    """The rows are about one subject, and an erasure is of that one."""
    subject = facts.records[0].subject
    for at, record in enumerate(facts.records):
        yield from _same(record_field(at, "subject"), record.subject, subject)
    if facts.erasure is not None:
        yield from _same("entries.erasure.leaf.event.pseudonym", facts.erasure.pseudonym, subject)
        yield from _same("entries.erasure.leaf.event.model", facts.erasure.model, facts.registration.model)


def _grant(facts: Facts) -> Iterator[Broken]:
    signed, registered, approval = facts.grant.signed, facts.registration, facts.approval
    grant, field = signed.grant, "entries.grant.leaf.event.signed"
    yield from _of_version("grant", facts.grant, facts)
    yield from _same(f"{field}.grant.model", grant.model, registered.model)
    yield from _same(f"{field}.grant.version", grant.version, registered.version)
    yield from _same(f"{field}.grant.artifact", grant.artifact, registered.artifact)
    yield from _same(f"{field}.grant.package", grant.package, registered.package)
    yield from _same(f"{field}.grant.policy", grant.policy, approval.policy)
    if grant.valid_until > approval.valid_until:
        ends = rfc3339(approval.valid_until)
        yield Broken(f"{field}.grant.valid_until", f"{rfc3339(grant.valid_until)}, though the approval ends at {ends}")
    yield from _same(f"{field}.key_id", signed.key_id, facts.governor.key_id)
    yield from _signature(facts)


def _signature(facts: Facts) -> Iterator[Broken]:
    """The grant is signed with the key that the governor named in the ledger when it started."""
    governor, signed = facts.governor, facts.grant.signed
    try:
        yield from _same("entries.governor.leaf.event.key_id", governor.key_id, key_id_of(governor.public_key))
        holds = verify(governor.public_key, canonical.encode(signed.grant.as_document()), signed.signature)
    except KeyUnusable as error:
        yield Broken("entries.governor.leaf.event.public_key", error.reason)
        return
    if not holds:
        yield Broken("entries.grant.leaf.event.signed.signature", "not the governor's signature of this grant")


def _approval(facts: Facts) -> Iterator[Broken]:
    """Approved by the policy's own rule, or by as many people as were asked for, none of whom registered it."""
    approval, field = facts.approval, "entries.approval.leaf.event"
    yield from _of_version("approval", approval, facts)
    for at, consent in enumerate(facts.consents):
        yield from _of_version(f"consents[{at}]", consent, facts)
    if approval.automatic:
        yield from _same(f"{field}.approved_by", approval.approved_by, (f"policy:{approval.policy[7:19]}",))
        if facts.request is not None or facts.consents:
            yield Broken(f"{field}.automatic", "true, though people were asked or consented")
        return
    if approval.break_glass:
        yield from _emergency(facts)
        return
    yield from _same(f"{field}.approved_by", approval.approved_by, facts.consenting)
    if facts.request is None:
        yield Broken("entries.request", "missing: an approval by people begins with one")
        return
    yield from _of_version("request", facts.request, facts)
    if len(set(facts.consenting)) < max(facts.request.approvers, 1):
        wanted = f"{facts.request.approvers} were asked for"
        yield Broken("entries.consents", f"{len(set(facts.consenting))} principals consented; {wanted}")
    yield from _seats(facts, facts.request)
    registrar = facts.leaves["entries.registration"].principal
    if registrar in facts.consenting:
        yield Broken(f"{field}.approved_by", f"{registrar} registered the version and may not approve it")


def _seats(facts: Facts, request: ApprovalRequested) -> Iterator[Broken]:
    """As many of each role as were asked for, of the people who were asked, in time."""
    people = request.people
    given = Counter(consent.role or people.role for consent in facts.consents)
    for seat in people.seats:
        if given[seat.role] < seat.approvers:
            yield Broken(
                "entries.consents", f"{given[seat.role]} of the role {seat.role}; {seat.approvers} were asked for"
            )
    for at, by in enumerate(facts.consenting):
        if people.among is not None and by not in people.among:
            yield Broken(f"entries.consents[{at}].leaf.principal", f"{by} was not asked")
        time = facts.leaves[f"entries.consents[{at}]"].time
        if request.until is not None and time >= request.until:
            yield Broken(f"entries.consents[{at}].leaf.time", f"{rfc3339(time)}, after the request's end")


def _emergency(facts: Facts) -> Iterator[Broken]:
    """Let through by two people, neither of whom registered it, for as long as the first one said."""
    approval, opening, signature = facts.approval, facts.opening, facts.signature
    field = "entries.approval.leaf.event"
    if opening is None or signature is None:
        yield Broken(f"entries.{'opening' if opening is None else 'signature'}", "missing: two people break the glass")
        return
    yield from _of_version("opening", opening, facts)
    yield from _of_version("signature", signature, facts)
    two = tuple(facts.leaves[f"entries.{name}"].principal for name in ("opening", "signature"))
    yield from _same(f"{field}.approved_by", approval.approved_by, two)
    registrar = facts.leaves["entries.registration"].principal
    if len({*two, registrar}) < 3:
        yield Broken(f"{field}.approved_by", f"{', '.join(two)}: two people, neither of whom registered the version")
    until = facts.leaves["entries.approval"].time + timedelta(seconds=opening.valid_seconds)
    yield from _same(f"{field}.valid_until", approval.valid_until, until)


def _version(facts: Facts) -> Iterator[Broken]:
    """The evaluation passed; the spec and the data are those the version names."""
    registered, spec = facts.registration, facts.spec
    yield from _of_version("evaluation", facts.evaluation, facts)
    if not facts.evaluation.report.passed:
        refused = ", ".join(gate.gate for gate in facts.evaluation.report.failures) or "there is none"
        yield Broken("entries.evaluation.leaf.event.report.gates", f"not all passed: {refused}")
    yield from _same("entries.declaration.leaf.event.model", facts.declaration.model, registered.model)
    yield from _same("entries.declaration.leaf.event.spec", facts.declaration.spec, spec.name)
    yield from _same("entries.spec.leaf.event.digest", spec.digest, digest_of(canonical.encode(spec.spec)))
    if facts.dataset is not None:
        yield from _same("entries.dataset.leaf.event.digest", facts.dataset.digest, registered.dataset)
        yield from _same("entries.dataset.leaf.event.spec", facts.dataset.spec, spec.name)


def _gaps(passport: Passport, facts: Facts) -> Iterator[Broken]:
    """What is missing is named, and nothing else is: a gap cannot be slipped in, nor a part dropped."""
    present = {
        "dataset": facts.dataset is not None,
        "policy": policy_of(facts.spec.spec) == facts.approval.policy,
    }
    if list(passport.gaps) != sorted(set(passport.gaps)):
        yield Broken("gaps", "not in order, or named twice")
    for name, is_there in present.items():
        if is_there and name in passport.gaps:
            yield Broken("gaps", f"{name} is named, though it can be shown")
        if not is_there and name not in passport.gaps:
            where = "entries.dataset" if name == "dataset" else "entries.approval.leaf.event.policy"
            yield Broken(where, "missing" if name == "dataset" else "not the policy of entries.spec")


_BEFORE = (
    ("governor", "grant"),
    ("spec", "approval"),
    ("declaration", "registration"),
    ("dataset", "registration"),
    ("registration", "evaluation"),
    ("evaluation", "request"),
    ("evaluation", "approval"),
    ("evaluation", "opening"),
    ("opening", "signature"),
    ("signature", "approval"),
    ("approval", "grant"),
    ("grant", "segment"),
)


def _order(passport: Passport, facts: Facts) -> Iterator[Broken]:
    """What must come first stands first, and times go the way of the numbers."""
    seqs = {field.removeprefix("entries."): entry.seq for field, entry in passport.entries.named()}
    chain = [name for name in seqs if name == "request" or name.startswith("consents[")]
    pairs = [*_BEFORE, *pairwise([*chain, "approval"])]
    for first, second in pairs:
        if first in seqs and second in seqs and seqs[first] >= seqs[second]:
            yield Broken(f"entries.{second}.seq", f"{seqs[second]}, not behind {first}, which is {seqs[first]}")
    times = sorted((seqs[field.removeprefix("entries.")], leaf.time, field) for field, leaf in facts.leaves.items())
    for (_, before, _), (_, after, field) in pairwise(times):
        if after < before:
            yield Broken(f"{field}.leaf.time", f"{rfc3339(after)}, before that of an earlier entry")


def _of_version(name: str, event: Any, facts: Facts) -> Iterator[Broken]:
    registered = facts.registration
    yield from _same(f"entries.{name}.leaf.event.model", event.model, registered.model)
    yield from _same(f"entries.{name}.leaf.event.version", event.version, registered.version)


def _same(field: str, found: object, expected: object) -> Iterator[Broken]:
    if found != expected:
        yield Broken(field, f"{found}, where {expected} is due")
