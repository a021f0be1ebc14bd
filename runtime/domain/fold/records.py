"""What entries about records change: segments, gaps, legal holds, bodies that were deleted, subjects."""

from __future__ import annotations

from runtime.domain import erasure as s
from runtime.domain import events as e
from runtime.domain import keeping as k
from runtime.domain.entry import Entry
from runtime.domain.errors import Refused
from runtime.domain.fold.moves import change
from runtime.domain.records import replace
from runtime.domain.state import ErasureState, FleetState, HoldState


@change.register
def _(event: e.SegmentSealed, state: FleetState, entry: Entry) -> None:
    totals = replace(state.totals, segments=state.totals.segments + 1)
    if event.content is e.SegmentContent.DECISIONS:
        state.totals = replace(totals, decisions=totals.decisions + event.records)
    else:
        state.totals = replace(totals, outcomes=totals.outcomes + event.records)


@change.register
def _(event: e.RecordsLost, state: FleetState, entry: Entry) -> None:
    lost = event.last_number - event.first_number + 1
    state.totals = replace(state.totals, lost=state.totals.lost + lost)


@change.register
def _(event: e.RecordsDropped, state: FleetState, entry: Entry) -> None:
    state.totals = replace(state.totals, dropped=state.totals.dropped + event.records)


@change.register
def _(event: e.LoadRefused, state: FleetState, entry: Entry) -> None:
    state.totals = replace(state.totals, refused_loads=state.totals.refused_loads + 1)


@change.register
def _(event: k.LegalHoldPlaced, state: FleetState, entry: Entry) -> None:
    model, number = state.model(event.model), len(state.holds) + 1
    if event.hold != number:
        raise Refused(f"legal hold {event.hold} on {event.model}", f"the next hold is number {number}")
    state.holds[number] = HoldState(number, model.name, event.reason, entry.principal, entry.seq)


@change.register
def _(event: k.LegalHoldReleased, state: FleetState, entry: Entry) -> None:
    hold = state.holds.get(event.hold)
    if hold is None or hold.released is not None:
        raise Refused(f"release of legal hold {event.hold}", "no such hold is in force")
    state.holds[event.hold] = replace(hold, released=event.reason)


@change.register
def _(event: k.BodiesDeleted, state: FleetState, entry: Entry) -> None:
    for name in event.models:
        _refuse_if_held(f"deletion of {len(event.digests)} bodies", name, state)
    state.totals = replace(state.totals, deleted=state.totals.deleted + event.records)


@change.register
def _(event: k.EvidenceExported, state: FleetState, entry: Entry) -> None:
    state.model(event.model)


@change.register
def _(event: s.SubjectErasureOrdered, state: FleetState, entry: Entry) -> None:
    ordered: dict[str, ErasureState] = {}
    for part in event.parts:
        _refuse_if_held("erasure of a data subject", part.model, state)
        known = state.erasures.get(part.pseudonym) or ordered.get(part.pseudonym)
        if known is not None:
            raise Refused("erasure of a data subject", f"entry {known.ordered} ordered that of the same pseudonym")
        ordered[part.pseudonym] = ErasureState(
            part.model, part.pseudonym, part.records, event.reason, entry.principal, entry.seq
        )
    state.erasures |= ordered


@change.register
def _(event: s.SubjectErased, state: FleetState, entry: Entry) -> None:
    erasure = state.erasures.get(event.pseudonym)
    if erasure is None or erasure.model != event.model or erasure.erased is not None:
        raise Refused(f"erasure of a data subject of {event.model}", "no such erasure is ordered and not yet done")
    state.erasures[event.pseudonym] = replace(erasure, erased=entry.seq)
    state.totals = replace(state.totals, erased=state.totals.erased + event.records)


def _refuse_if_held(what: str, model: str, state: FleetState) -> None:
    if state.holds_on(state.model(model).name):
        held = ", ".join(str(hold.hold) for hold in state.holds_on(model))
        raise Refused(what, f"{model} is under legal hold {held}")
