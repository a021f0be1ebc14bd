"""Which models are retrained now: whose window is open, whose schedule came, and for how many the fleet has room.

Because of an alarm    once the window after it opened (``retrain.window``)
By the calendar        when a schedule came since the model was trained last, unless it is busy
Never                  while its data are broken: a person was called, and what is broken would be learnt

Where the fleet has a budget of retrainings, those whose waiting costs most go first: (error / usual error - 1) x rows
a day x the weight of the risk tier, as the verdict counted it. The others stay due.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from runtime.domain.base import DAWN
from runtime.domain.model_state import ModelState
from runtime.domain.spec import Spec
from runtime.domain.state import FleetState
from runtime.domain.trigger import last_due
from runtime.policy.retraining import is_broken, window_opens


@dataclass(frozen=True, slots=True)
class Due:
    """By spec, the models that are retrained now, and how many more wait; ``because``: which schedule came."""

    chosen: dict[str, list[ModelState]]
    because: dict[str, str]
    waiting: int


def due(state: FleetState) -> Due:
    """What is due as of the closed ticks, within the fleet's budget."""
    because: dict[str, str] = {}
    found: list[ModelState] = []
    for model in state.models.values():
        if model.batch is not None or model.retired or model.suspended or model.champion is None:
            continue
        spec = state.spec_of(model)
        if is_broken(model, spec, state.ticks_until):
            continue
        if _window_is_open(model, spec, state.ticks_until):
            found.append(model)
        elif model.due is None and model.rollout is None and (came := _schedule_came(model, spec, state.ticks_until)):
            because[model.name] = came
            found.append(model)
    found.sort(key=lambda model: (-model.due_weight, model.due_since or state.ticks_until, model.name))
    room = _room(state)
    taken = found if room is None else found[:room]
    chosen: dict[str, list[ModelState]] = {}
    for model in taken:
        chosen.setdefault(model.spec, []).append(model)
    return Due(chosen, because, len(found) - len(taken))


def due_models(state: FleetState) -> dict[str, list[ModelState]]:
    """By spec, the models that are retrained now."""
    return due(state).chosen


def in_words(state: FleetState, found: Due, models: list[ModelState]) -> str:
    """Why these models of one spec are retrained now, and others are not."""
    calendar = sorted({found.because[model.name] for model in models if model.name in found.because})
    parts = [f"{len(models)} due as of {state.ticks_until:%Y-%m-%d}", *calendar]
    budget = state.retraining_budget
    if found.waiting and budget is not None:
        days = budget.every.total_seconds() / 86_400
        parts.append(
            f"{found.waiting} more wait: the fleet retrains {budget.models} in {days:g} days, the costliest first"
        )
    return "; ".join(parts)


def _window_is_open(model: ModelState, spec: Spec, until: datetime) -> bool:
    if model.due is None or model.due_since is None:
        return False
    return window_opens(model.due_since, spec.retrain.window) <= until


def _schedule_came(model: ModelState, spec: Spec, until: datetime) -> str:
    """The schedule that came since the model was trained last, in words; empty where none did."""
    serving = model.serving
    if serving is None or until == DAWN:
        return ""
    since = max(serving.registered.as_of, model.trained_until or DAWN)
    for trigger in spec.retrain.when:
        came = _last_due(trigger, until)
        if came is not None and came > since:
            return f"{trigger} came on {came:%Y-%m-%d %H:%M}"
    return ""


@lru_cache(maxsize=256)
def _last_due(trigger: str, until: datetime) -> datetime | None:
    return last_due(trigger, until)


def _room(state: FleetState) -> int | None:
    """How many models may still be retrained in the budget's time; ``None`` without a budget."""
    budget = state.retraining_budget
    if budget is None:
        return None
    since = state.ticks_until - budget.every
    return max(budget.models - sum(len(each.models) for each in state.batches.values() if each.as_of > since), 0)
