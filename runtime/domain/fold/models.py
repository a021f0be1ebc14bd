"""What entries about specs and whole models change."""

from __future__ import annotations

from pydantic import ValidationError

from runtime.domain import canonical
from runtime.domain import events as e
from runtime.domain.entry import Entry
from runtime.domain.errors import Refused
from runtime.domain.fold.fallbacks import check_fallbacks
from runtime.domain.fold.moves import change, live, update
from runtime.domain.fold.policies import check_rules
from runtime.domain.ids import digest_of
from runtime.domain.lifecycle import Move, Status, after
from runtime.domain.model_state import ModelState, Retiring, Review
from runtime.domain.records import replace
from runtime.domain.spec import Spec
from runtime.domain.state import FleetState


@change.register
def _(event: e.SpecApplied, state: FleetState, entry: Entry) -> None:
    try:
        spec = Spec.model_validate(event.spec)
    except ValidationError as error:
        raise Refused(f"spec {event.name}", f"it is not a valid spec: {error.errors()[0]['msg']}") from error
    # Of the document as it was written: read by a later release, a spec has new fields at their defaults.
    found = digest_of(canonical.encode(event.spec))
    if found != event.digest:
        raise Refused(f"spec {event.name}", f"its content hashes to {found}, not to {event.digest}")
    check_fallbacks(event.name, spec, state)
    check_rules(event.name, spec, state)
    before = state.specs.get(event.name)
    state.specs[event.name] = spec
    if before is not None and _served_by(before) != _served_by(spec):
        _reroute(state, event.name, entry)


def _served_by(spec: Spec) -> tuple[object, ...]:
    return spec.capture, spec.serving, spec.overrides


def _reroute(state: FleetState, spec: str, entry: Entry) -> None:
    """How the models of a spec are served has changed: whoever follows their routes must hear of it."""
    for name in [model.name for model in state.models.values() if model.spec == spec]:
        update(state, name, entry)


@change.register
def _(event: e.ModelDeclared, state: FleetState, entry: Entry) -> None:
    spec = state.spec(event.spec)
    known = state.models.get(event.model)
    if known is not None and (known.spec, known.partition) != (event.spec, event.partition):
        raise Refused(f"model {event.model}", f"it is declared already by spec {known.spec} for {known.partition}")
    if known is None:
        check_fallbacks(event.spec, spec, state, event.model)
        state.put(ModelState(event.model, event.spec, dict(event.partition), entry.seq))
    state.skipped.pop((event.spec, tuple(event.partition.values())), None)


@change.register
def _(event: e.PartitionSkipped, state: FleetState, entry: Entry) -> None:
    state.skipped[event.spec, tuple(event.partition.values())] = event.reason


@change.register
def _(event: e.ModelSuspended, state: FleetState, entry: Entry) -> None:
    live(state, event.model)
    update(state, event.model, entry, suspended=True)


@change.register
def _(event: e.ModelResumed, state: FleetState, entry: Entry) -> None:
    if not live(state, event.model).suspended:
        raise Refused(f"resume {event.model}", "it is not suspended")
    update(state, event.model, entry, suspended=False)


@change.register
def _(event: e.RetirementAnnounced, state: FleetState, entry: Entry) -> None:
    live(state, event.model)
    if event.until <= entry.time:
        raise Refused(f"notice of the end of {event.model}", f"{event.until:%Y-%m-%d %H:%M:%S} UTC is over already")
    if event.successor == event.model:
        raise Refused(f"notice of the end of {event.model}", "it cannot be its own successor")
    retiring = Retiring(event.until, entry.time, entry.principal, event.reason, event.successor)
    update(state, event.model, entry, retiring=retiring)


@change.register
def _(event: e.RetirementCancelled, state: FleetState, entry: Entry) -> None:
    if live(state, event.model).retiring is None:
        raise Refused(f"keep {event.model}", "it was not to be retired")
    update(state, event.model, entry, retiring=None)


@change.register
def _(event: e.ModelReviewed, state: FleetState, entry: Entry) -> None:
    version = live(state, event.model).version(event.version)
    review = Review(version.number, event.found, entry.principal, entry.time, event.reason)
    update(state, event.model, entry, review=review)


@change.register
def _(event: e.ModelRetired, state: FleetState, entry: Entry) -> None:
    model = live(state, event.model)
    _require_due(event, model, entry)
    versions = {
        number: version
        if version.status in (Status.REFUSED, Status.ROLLED_BACK, Status.RETIRED)
        else replace(version, status=after(model.name, number, version.status, Move.RETIRE))
        for number, version in model.versions.items()
    }
    update(state, event.model, entry, versions=versions, champion=None, rollout=None, due=None, retired=True)


def _require_due(event: e.ModelRetired, model: ModelState, entry: Entry) -> None:
    """Raises ``Refused`` where callers were told another end, or it has not come by the ledger's clock."""
    if event.announced is None:
        return
    if model.retiring is None or model.retiring.until != event.announced:
        raise Refused(f"retire {model.name}", "its callers were told another end, or none")
    if entry.time < event.announced:
        raise Refused(f"retire {model.name}", f"its callers were told {event.announced:%Y-%m-%d %H:%M:%S} UTC")
