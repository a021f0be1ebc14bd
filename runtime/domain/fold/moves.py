"""How an event is handed to what it changes, and the changes that many events share."""

from __future__ import annotations

from functools import singledispatch
from typing import Any

from runtime.domain.entry import Entry
from runtime.domain.errors import Refused
from runtime.domain.lifecycle import Move, after
from runtime.domain.model_state import ModelState, VersionState
from runtime.domain.records import replace
from runtime.domain.state import FleetState


@singledispatch
def change(event: Any, state: FleetState, entry: Entry) -> None:
    """Events that only tell history change nothing of the state."""


def update(state: FleetState, name: str, entry: Entry, **changes: Any) -> ModelState:
    """Put the model with these changes in its place, and note the entry that made them."""
    model = replace(state.model(name), seq=entry.seq, **changes)
    state.put(model)
    return model


def moved(model: ModelState, number: int, move: Move, **changes: Any) -> dict[int, VersionState]:
    """The model's versions after one of them made a move."""
    version = model.version(number)
    status = after(model.name, number, version.status, move)
    return model.versions | {number: replace(version, status=status, **changes)}


def live(state: FleetState, name: str) -> ModelState:
    """A model that is not retired. Raises ``UnknownModel`` and ``Refused``."""
    model = state.model(name)
    if model.retired:
        raise Refused(f"a change to {name}", "the model is retired")
    return model
