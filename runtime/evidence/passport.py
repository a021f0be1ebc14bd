"""Writing a passport: from a decision back to everything that let its version answer.

The entries are chosen as the verifier links them: the grant that the record names, the approval before it, the
evaluation and the registration before that, the spec as it stood at the approval. What comes out was put through the
same links that the verifier tries, so that a passport that would be refused is not given out, but refused here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from runtime.domain import events as e
from runtime.domain.keeping import BodiesDeleted
from runtime.evidence.decisions import FoundDecision, find_decision
from runtime.evidence.errors import EvidenceMissing
from runtime.evidence.ledger import Found, SignedLedger, SomeEvent
from runtime.proof.facts import Facts
from runtime.proof.links import broken_links, policy_of
from runtime.proof.passport import Gap, Passport, ProvenEntries, ProvenEntry
from runtime.storage.objects import ObjectStore

_KINDS = (
    "governor_started",
    "spec_applied",
    "model_declared",
    "dataset_prepared",
    "version_registered",
    "version_evaluated",
    "approval_requested",
    "approval_given",
    "break_glass_opened",
    "break_glass_signed",
    "version_approved",
    "grant_issued",
    "subject_erased",
)


def passport_of(decision_id: str, ledger: SignedLedger, store: ObjectStore, *, version: int | None = None) -> Passport:
    """The passport of a decision (as ``version`` answered it), under the ledger's head.

    Raises ``DecisionUnknown``, ``BodyDeleted``, and ``EvidenceMissing`` naming the entry that is not there or the link
    that is broken.
    """
    sealed = _of_kind(ledger.found(("segment_sealed",)), e.SegmentSealed)
    decisions = [each for each in sealed if each.event.content is e.SegmentContent.DECISIONS]
    deleted = deleted_bodies(ledger)
    decision = find_decision(decision_id, decisions, store, version=version, deleted=deleted)
    return passport_of_found(decision, ledger)


def deleted_bodies(ledger: SignedLedger) -> dict[str, int]:
    """The digests of bodies that the ledger calls deleted, each with the entry that says so."""
    told = _of_kind(ledger.found(("bodies_deleted",)), BodiesDeleted)
    return {digest: each.seq for each in told for digest in each.event.digests}


def passport_of_found(decision: FoundDecision, ledger: SignedLedger) -> Passport:
    """The passport of a decision that was found. Raises ``EvidenceMissing``."""
    chain = _Chain(decision, list(ledger.found(_KINDS)))
    passport = Passport(
        checkpoint=ledger.head.note,
        decision=decision.proven,
        entries=chain.entries(ledger.proven),
        gaps=chain.gaps(),
    )
    for broken in broken_links(passport, Facts.of(passport)):
        raise EvidenceMissing(f"passport of {decision.proven.decision_id}", f"{broken.field}: {broken.reason}")
    return passport


class _Chain:
    """The entries behind a decision, each the last of its kind before the one it leads to."""

    def __init__(self, decision: FoundDecision, found: list[Found[e.Event]]) -> None:
        self._found = found
        self._what = f"passport of {decision.proven.decision_id}"
        model, version = decision.model, decision.version

        def of_version(event: e.VersionRegistered | e.VersionEvaluated | e.VersionApproved) -> bool:
            return (event.model, event.version) == (model, version)

        self.segment = decision.segment
        self.grant = self._last(
            e.GrantIssued,
            self.segment,
            lambda event: event.model == model and event.signed.grant.grant_id == decision.grant_id,
        )
        key_id = self.grant.event.signed.key_id
        self.governor = self._last(e.GovernorStarted, self.grant, lambda event: event.key_id == key_id)
        self.approval = self._last(e.VersionApproved, self.grant, of_version)
        self.evaluation = self._last(e.VersionEvaluated, self.approval, of_version)
        self.registration = self._last(e.VersionRegistered, self.evaluation, of_version)
        self.declaration = self._last(e.ModelDeclared, self.registration, lambda event: event.model == model)
        name, dataset = self.declaration.event.spec, self.registration.event.dataset
        self.spec = self._last(e.SpecApplied, self.approval, lambda event: event.name == name)
        prepared = self._before(e.DatasetPrepared, self.registration)
        self.dataset = next((each for each in reversed(prepared) if each.event.digest == dataset), None)
        self.request, self.consents = self._asked_people()
        self.opening, self.signature = self._broken_glass()
        subject = decision.proven.records[0].record.get("subject")
        erasures = _of_kind(found, e.SubjectErased)
        self.erasure = next((each for each in erasures if each.event.pseudonym == subject), None)

    def entries(self, prove: Callable[[Found[e.Event]], ProvenEntry]) -> ProvenEntries:
        """All of them, proven."""
        return ProvenEntries(
            governor=prove(self.governor),
            spec=prove(self.spec),
            declaration=prove(self.declaration),
            dataset=prove(self.dataset) if self.dataset else None,
            registration=prove(self.registration),
            evaluation=prove(self.evaluation),
            request=prove(self.request) if self.request else None,
            consents=tuple(prove(consent) for consent in self.consents),
            approval=prove(self.approval),
            grant=prove(self.grant),
            segment=prove(self.segment),
            erasure=prove(self.erasure) if self.erasure else None,
            opening=prove(self.opening) if self.opening else None,
            signature=prove(self.signature) if self.signature else None,
        )

    def gaps(self) -> tuple[Gap, ...]:
        """What the ledger does not tell."""
        unknown_policy = policy_of(self.spec.event.spec) != self.approval.event.policy
        return (*(("dataset",) if self.dataset is None else ()), *(("policy",) if unknown_policy else ()))

    def _asked_people(self) -> tuple[Found[e.ApprovalRequested] | None, tuple[Found[e.ApprovalGiven], ...]]:
        """The request and every consent behind it, if people approved."""
        approved = self.approval.event
        if approved.automatic or approved.break_glass:
            return None, ()
        mine = (approved.model, approved.version)
        request = self._last(e.ApprovalRequested, self.approval, lambda event: (event.model, event.version) == mine)
        given = self._before(e.ApprovalGiven, self.approval)
        # Who had lost their role by then consented, and did not count.
        behind = (each for each in given if each.seq > request.seq and each.entry.principal in approved.approved_by)
        return request, tuple(each for each in behind if (each.event.model, each.event.version) == mine)

    def _broken_glass(self) -> tuple[Found[e.BreakGlassOpened] | None, Found[e.BreakGlassSigned] | None]:
        """Who wanted it to serve at once, and who signed, if that is how it was let through."""
        if not self.approval.event.break_glass:
            return None, None
        mine = (self.approval.event.model, self.approval.event.version)
        signature = self._last(e.BreakGlassSigned, self.approval, lambda event: (event.model, event.version) == mine)
        return self._last(e.BreakGlassOpened, signature, lambda event: (event.model, event.version) == mine), signature

    def _last(
        self, kind: type[SomeEvent], before: Found[e.Event], fits: Callable[[SomeEvent], bool]
    ) -> Found[SomeEvent]:
        found = next((each for each in reversed(self._before(kind, before)) if fits(each.event)), None)
        if found is None:
            name = kind.model_fields["kind"].default
            raise EvidenceMissing(
                self._what, f"no fitting {name} stands before entry {before.seq} ({before.entry.kind})"
            )
        return found

    def _before(self, kind: type[SomeEvent], before: Found[e.Event]) -> list[Found[SomeEvent]]:
        return [each for each in _of_kind(self._found, kind) if each.seq < before.seq]


def _of_kind(found: Iterable[Found[e.Event]], kind: type[SomeEvent]) -> list[Found[SomeEvent]]:
    return [Found(each.entry, each.event, each.leaf) for each in found if isinstance(each.event, kind)]
