"""What entries about pools change."""

from __future__ import annotations

from runtime.domain import pools as p
from runtime.domain.entry import Entry
from runtime.domain.errors import Refused
from runtime.domain.fold.moves import change, live, update
from runtime.domain.model_state import VersionState
from runtime.domain.records import replace
from runtime.domain.state import FleetState


@change.register
def _(event: p.PoolConfigured, state: FleetState, entry: Entry) -> None:
    state.pools[event.pool] = event.options


@change.register
def _(event: p.ModelMoved, state: FleetState, entry: Entry) -> None:
    model = live(state, event.model)
    what = f"move {event.model} to pool {event.pool}"
    if event.pool == model.pool:
        raise Refused(what, "it is there already")
    if state.pool_wanted(model) != event.pool:
        raise Refused(what, f"its spec wants it in {state.pool_wanted(model)}")
    champion = model.serving
    if champion is not None and champion.signed is not None and champion.grant_in(event.pool) is None:
        raise Refused(what, f"its champion, version {champion.number}, holds no grant there")
    versions = {number: _turned(version, event.pool) for number, version in model.versions.items()}
    update(state, event.model, entry, versions=versions, pool=event.pool)


def _turned(version: VersionState, pool: str) -> VersionState:
    """The version, with the grant in the new pool in first place; the governor revokes the other."""
    moving = version.moving
    if version.signed is None and moving is None:
        return version
    if moving is not None and moving.grant.pool == pool:
        return replace(version, signed=moving, moving=version.signed)
    return replace(version, signed=None, moving=version.signed)
