"""What entries about the monitors themselves change."""

from __future__ import annotations

from runtime.domain import events as e
from runtime.domain.entry import Entry
from runtime.domain.errors import Refused
from runtime.domain.fold.moves import change
from runtime.domain.state import FleetState, MonitorSave


@change.register
def _(event: e.MonitorsSet, state: FleetState, entry: Entry) -> None:
    if event.monitors == state.monitors:
        raise Refused(f"number of monitors {event.monitors}", "it is that already")
    state.monitors, state.closed_by = event.monitors, {}


@change.register
def _(event: e.MonitorSaved, state: FleetState, entry: Entry) -> None:
    if event.size > state.size:
        raise Refused(f"save of {event.size} entries", f"the ledger had {state.size}")
    earlier = state.saves.get(MonitorSave.key_of(event.monitors, event.monitor))
    if earlier is not None and earlier.size >= event.size:
        return
    saved = MonitorSave(
        event.monitors, event.monitor, event.size, event.digest, "" if earlier is None else earlier.digest
    )
    state.saves[saved.key] = saved
    if event.monitors == state.monitors and all(key in state.saves for key in MonitorSave.keys_of(state.monitors)):
        # Every model is in them: what other numbers of monitors saved is of no more use.
        state.saves = {key: save for key, save in state.saves.items() if save.monitors == state.monitors}
