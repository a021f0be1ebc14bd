"""The difference between the pools the ledger says there should be and the applications that are up, as next steps.

    wanted and absent            Deploy, closed: nothing is routed to it while its replicas start
    wanted, up, follows routes   Deploy, open: from now on its prefix is its own
    wanted, other options        Deploy with them; Serve changes the number of replicas without touching those there are
    not wanted, open             Deploy, closed: its prefix falls back to the default pool
    not wanted, closed and quiet Remove

A model moves when the application it moves to has answered for a while, and, from one of its own, when that is gone.
Each step is computed from what is there now, so whoever dies between two of them comes back to the next one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from runtime.domain.entry import Draft
from runtime.domain.ids import derived_id
from runtime.domain.model_state import ModelState
from runtime.domain.pools import DEFAULT, ModelMoved, PoolOptions, is_dedicated, model_of
from runtime.domain.state import FleetState
from runtime.policy.plan import OPERATOR


@dataclass(frozen=True, slots=True)
class Application:
    """What a pool's application is, or should be."""

    pool: str
    options: PoolOptions
    is_open: bool
    """Whether requests under its prefix are routed to it."""


@dataclass(frozen=True, slots=True)
class Found:
    """An application as Serve has it."""

    application: Application
    is_up: bool
    """All its replicas run."""
    follows: bool
    """They have applied the present routes, and answer for the models that move there."""
    since: datetime
    """When it was last deployed, with these options and this prefix."""
    is_leaving: bool = False
    failed: str = ""
    """Why it cannot come up."""

    def is_quiet(self, now: datetime, after: timedelta) -> bool:
        """Whether whoever routes requests has long heard of its last change."""
        return now - self.since >= after


@dataclass(frozen=True, slots=True)
class Deploy:
    """Make the application so."""

    application: Application


@dataclass(frozen=True, slots=True)
class Remove:
    """End the pool's application."""

    pool: str


@dataclass(frozen=True, slots=True)
class PoolPlan:
    """What to do now, and whether something is still on its way after that."""

    steps: tuple[Deploy | Remove, ...] = ()
    moves: tuple[Draft, ...] = ()
    waits: bool = False

    @property
    def settled(self) -> bool:
        """What should be is."""
        return not (self.steps or self.moves or self.waits)


def options_of(state: FleetState, pool: str, usual: PoolOptions) -> PoolOptions:
    """What a pool's replicas get; ``usual`` where nothing was said of a shared pool."""
    if not is_dedicated(pool):
        return state.pools.get(pool, usual).effective
    model = state.models.get(model_of(pool))
    own = None if model is None else state.spec_of(model).serving.dedicated
    return (own or PoolOptions()).effective


def wanted(state: FleetState) -> set[str]:
    """The pools that must be there, were nothing moving: the default one, and each that a model needs."""
    return {DEFAULT} | {state.pool_wanted(model) for model in state.models.values() if _is_answered(state, model)}


@dataclass(frozen=True, slots=True)
class PoolView:
    """A pool as the ledger knows it."""

    pool: str
    models: int
    """That are answered in it."""
    options: PoolOptions | None
    """None where nothing was said of it."""


def views(state: FleetState) -> list[PoolView]:
    """Pools that models need or that were configured, by name."""
    answered = Counter(model.pool for model in state.models.values() if not model.retired)
    names = sorted({*wanted(state), *state.pools, *answered} - {""})
    return [PoolView(pool, answered[pool], _said_of(state, pool)) for pool in names]


def _said_of(state: FleetState, pool: str) -> PoolOptions | None:
    return options_of(state, pool, PoolOptions()) if is_dedicated(pool) or pool in state.pools else None


def _is_answered(state: FleetState, model: ModelState) -> bool:
    """Whether replicas are kept for it: one that is suspended gives back those of its own, not those it shares."""
    if model.retired or not any(version.grants for version in model.versions.values()):
        return False
    return not (model.suspended and is_dedicated(state.pool_wanted(model)))


def arriving(state: FleetState) -> dict[str, list[str]]:
    """By pool, the models that move there and must be answered there first."""
    found: dict[str, list[str]] = {}
    for model in state.models.values():
        pool = state.pool_wanted(model)
        champion = model.serving
        if _moves(state, model) and champion is not None and not model.suspended and champion.grant_in(pool):
            found.setdefault(pool, []).append(model.name)
    return found


def plan_pools(
    state: FleetState,
    found: Mapping[str, Found],
    usual: PoolOptions,
    now: datetime,
    quiet_after: timedelta,
) -> PoolPlan:
    """The next steps; ``quiet_after`` is how long a change of routing may take to reach everybody."""
    moving = [each for each in state.models.values() if _moves(state, each)]
    asked = wanted(state)
    needed = asked | {each.pool for each in moving if not _may_leave(state, each, found, now, quiet_after)}
    steps: list[Deploy | Remove] = []
    waits = bool(moving)
    for pool in sorted(needed):
        there = found.get(pool)
        if there is not None and pool not in asked:
            options = there.application.options  # it is being left: nothing of it may restart any more
        else:
            options = options_of(state, pool, usual)
        step, is_waiting = _bring(pool, options, there)
        steps += [step] if step is not None else []
        waits = waits or is_waiting
    for pool in sorted(set(found) - needed):
        ending = _end(found[pool], now, quiet_after)
        steps += [ending] if ending is not None else []
        waits = True
    moves = tuple(_moved(state, each) for each in moving if _has_left(state, each, found, now, quiet_after))
    return PoolPlan(tuple(steps), moves, waits)


def _moves(state: FleetState, model: ModelState) -> bool:
    return not model.retired and bool(model.pool) and model.pool != state.pool_wanted(model)


def _may_leave(
    state: FleetState, model: ModelState, found: Mapping[str, Found], now: datetime, quiet_after: timedelta
) -> bool:
    """Whether the pool the model is to go to answers: requests that reach it are served from now on."""
    if not _is_answered(state, model):
        return True  # by nobody, here or there
    there = found.get(state.pool_wanted(model))
    if there is None or not (there.is_up and there.follows and there.application.is_open):
        return False
    return state.pool_wanted(model) == DEFAULT or there.is_quiet(now, quiet_after)


def _has_left(
    state: FleetState, model: ModelState, found: Mapping[str, Found], now: datetime, quiet_after: timedelta
) -> bool:
    """Whether no request reaches the pool the model was in any more."""
    is_gone = not is_dedicated(model.pool) or model.pool not in found
    return is_gone and _may_leave(state, model, found, now, quiet_after)


def _moved(state: FleetState, model: ModelState) -> Draft:
    pool = state.pool_wanted(model)
    event = ModelMoved(model=model.name, pool=pool, reason=f"its spec asks for it, and pool {pool} answers")
    return Draft(event, OPERATOR, derived_id(event.kind, model.name, model.pool, pool, model.seq))


def _bring(pool: str, options: PoolOptions, there: Found | None) -> tuple[Deploy | None, bool]:
    """The next step to a pool that answers, and whether something must come first."""
    if there is None:
        return Deploy(Application(pool, options, is_open=pool == DEFAULT)), True
    if there.is_leaving:
        return None, True
    present = there.application
    if present.options != options:
        return Deploy(Application(pool, options, present.is_open)), True
    if present.is_open:
        return None, not (there.is_up or there.failed)
    if there.is_up and there.follows:
        return Deploy(Application(pool, options, is_open=True)), True
    return None, not there.failed


def _end(there: Found, now: datetime, quiet_after: timedelta) -> Deploy | Remove | None:
    if there.is_leaving:
        return None
    present = there.application
    if present.is_open:
        return Deploy(Application(present.pool, present.options, is_open=False))
    return Remove(present.pool) if there.is_quiet(now, quiet_after) else None
