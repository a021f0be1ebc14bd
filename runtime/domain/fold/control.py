"""What entries about the control plane itself change."""

from __future__ import annotations

from runtime.domain import events as e
from runtime.domain.entry import Entry
from runtime.domain.errors import Refused
from runtime.domain.fold.moves import change
from runtime.domain.records import replace
from runtime.domain.state import FleetState


@change.register
def _(event: e.GovernorStarted, state: FleetState, entry: Entry) -> None:
    if event.epoch != state.governor_starts + 1:
        raise Refused(f"governor epoch {event.epoch}", f"the next epoch is {state.governor_starts + 1}")
    state.governor_starts = event.epoch


@change.register
def _(event: e.CommandRefused, state: FleetState, entry: Entry) -> None:
    state.totals = replace(state.totals, refused_commands=state.totals.refused_commands + 1)
