"""``state = reduce(apply, entries)``: the one place where an event changes what is so.

An entry that makes no legal move raises ``Refused`` (or ``IllegalMove``) and changes nothing; the governor
uses that to refuse a command before it is written, a verifier to find a ledger that contradicts itself.
"""

from __future__ import annotations

from collections.abc import Iterable

from runtime.domain.entry import Entry
from runtime.domain.errors import Refused
from runtime.domain.fold import (  # noqa: F401  (each registers)
    approvals,
    control,
    findings,
    models,
    monitoring,
    monitors,
    policies,
    pools,
    records,
    rollouts,
    tokens,
    versions,
)
from runtime.domain.fold.moves import change
from runtime.domain.state import FleetState

__all__ = ["apply", "fold"]


def fold(entries: Iterable[Entry], state: FleetState | None = None) -> FleetState:
    """The state after the entries, starting from an empty fleet or from ``state`` (changed in place)."""
    state = state if state is not None else FleetState()
    for entry in entries:
        apply(state, entry)
    return state


def apply(state: FleetState, entry: Entry) -> None:
    """Changes ``state`` by one entry. Raises ``Refused`` and leaves it unchanged when the entry is not legal."""
    if entry.seq != state.size:
        raise Refused(f"entry {entry.seq}", f"the next entry is {state.size}")
    change(entry.event, state, entry)
    state.size += 1
