"""What entries about policies change: who proposed what, and what is in force from which entry on."""

from __future__ import annotations

from pydantic import ValidationError

from runtime.domain import canonical
from runtime.domain import policies as p
from runtime.domain.entry import Entry
from runtime.domain.errors import Refused
from runtime.domain.fold.moves import change
from runtime.domain.ids import digest_of
from runtime.domain.policy_document import PolicyDocument, ruled
from runtime.domain.records import replace
from runtime.domain.spec import Spec
from runtime.domain.state import FleetState


def check_rules(name: str, spec: Spec, state: FleetState) -> None:
    """Raises ``Refused`` when what policies in force override does not fit the spec."""
    try:
        ruled(spec, state.rules)
    except ValidationError as error:
        raise Refused(f"spec {name}", f"the policies in force do not fit it: {_said(error)}") from error


@change.register
def _(event: p.PolicyProposed, state: FleetState, entry: Entry) -> None:
    what = f"policy {event.name}"
    document = _document(what, event)
    for name, spec in state.specs.items():
        try:
            ruled(spec, [document])
        except ValidationError as error:
            raise Refused(what, f"it does not fit spec {name}: {_said(error)}") from error
    known = state.policies.get(event.name) or p.PolicyState(event.name)
    if known.in_force is not None and known.in_force.digest == event.digest:
        raise Refused(what, f"{event.digest} is in force already, since entry {known.in_force.approved}")
    waiting = p.PolicyVersion(
        document=event.document,
        digest=event.digest,
        proposed_by=entry.principal,
        proposed_at=entry.time,
        proposed=entry.seq,
        reason=event.reason,
        backtest=event.backtest,
    )
    state.policies[event.name] = replace(known, waiting=waiting)


@change.register
def _(event: p.PolicyApproved, state: FleetState, entry: Entry) -> None:
    known, waiting = _waiting(state, event)
    if waiting.proposed_by == entry.principal:
        raise Refused(f"approval of policy {event.name}", f"{entry.principal} proposed it; a second person must agree")
    approved = replace(waiting, approved_by=entry.principal, approved_at=entry.time, approved=entry.seq)
    former = known.former if known.in_force is None else (*known.former, known.in_force.digest)
    # The newest approval rules over the older ones, so it moves to the end.
    state.policies.pop(event.name)
    state.policies[event.name] = p.PolicyState(event.name, in_force=approved, former=former)
    state.forget_rules()
    budget = PolicyDocument.model_validate(approved.document).alarm_budget
    if budget is not None:
        state.alarm_budget = budget


@change.register
def _(event: p.PolicyRejected, state: FleetState, entry: Entry) -> None:
    known, _waits = _waiting(state, event)
    state.policies[event.name] = replace(known, waiting=None)


def _document(what: str, event: p.PolicyProposed) -> PolicyDocument:
    try:
        document = PolicyDocument.model_validate(event.document)
    except ValidationError as error:
        raise Refused(what, f"it is not a valid policy: {_said(error)}") from error
    if document.name != event.name:
        raise Refused(what, f"its document is named {document.name}")
    found = digest_of(canonical.encode(event.document))
    if found != event.digest:
        raise Refused(what, f"its content hashes to {found}, not to {event.digest}")
    return document


def _said(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    context = first.get("ctx", {})
    place = ".".join(str(part) for part in first["loc"]) or str(context.get("at", ""))
    return f"{place}: {first['msg']}" if place else first["msg"]


def _waiting(state: FleetState, event: p.PolicyApproved | p.PolicyRejected) -> tuple[p.PolicyState, p.PolicyVersion]:
    """What the event answers. Raises ``Refused``."""
    what = f"{event.kind.removeprefix('policy_')} as the answer to policy {event.name}"
    known = state.policies.get(event.name)
    if known is None or known.waiting is None:
        raise Refused(what, "no proposal of that name waits")
    if known.waiting.digest != event.digest:
        raise Refused(what, f"what waits is {known.waiting.digest}, not {event.digest}")
    return known, known.waiting
