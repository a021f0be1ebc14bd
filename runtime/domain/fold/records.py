"""What entries about records change: segments, gaps, legal holds, bodies that were deleted."""

from __future__ import annotations

from runtime.domain import events as e
from runtime.domain import keeping as k
from runtime.domain.entry import Entry
from runtime.domain.errors import Refused
from runtime.domain.fold.moves import change
from runtime.domain.records import replace
from runtime.domain.state import FleetState, HoldState


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
        if state.holds_on(state.model(name).name):
            held = ", ".join(str(hold.hold) for hold in state.holds_on(name))
            raise Refused(f"deletion of {len(event.digests)} bodies", f"{name} is under legal hold {held}")
    state.totals = replace(state.totals, deleted=state.totals.deleted + event.records)
