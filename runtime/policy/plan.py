"""The difference between what the ledger says should be and what is, as the operator's next moves.

Computed from state alone, so an operator that died and came back plans the same moves with the same keys.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from runtime.domain import events as e
from runtime.domain.entry import Draft
from runtime.domain.ids import derived_id
from runtime.domain.lifecycle import Status
from runtime.domain.model_state import ModelState
from runtime.domain.state import BatchState, FleetState
from runtime.domain.verdict import StepVerdict
from runtime.policy import retraining, rollout
from runtime.policy.due import due, in_words
from runtime.policy.waves import WaveBook

OPERATOR = "service:operator"


@dataclass(frozen=True, slots=True)
class Plan:
    """Moves to record now, and batches whose job must be running."""

    moves: tuple[Draft, ...]
    jobs: tuple[BatchState, ...]

    @property
    def settled(self) -> bool:
        """Nothing is left to do until something new is recorded."""
        return not self.moves and not self.jobs


def plan(state: FleetState) -> Plan:
    """What the operator should do next."""
    waves = WaveBook(state)
    moves = [move for model in state.models.values() for move in _model_moves(state, model, waves)]
    moves += [_draft(stop, stop.batch) for stop in waves.stops.values()]
    moves += _batch_moves(state)
    running = tuple(batch for batch in state.batches.values() if not batch.finished)
    return Plan(tuple(moves), running)


def _draft(event: e.Event, *key: object) -> Draft:
    return Draft(event, OPERATOR, derived_id(event.kind, *key))


def _model_moves(state: FleetState, model: ModelState, waves: WaveBook) -> list[Draft]:
    if model.retired or model.suspended:
        return []
    back = _go_back(state, model)
    if back:
        return back
    if model.rollout is None:
        return _start(state, model, waves)
    return _continue(state, model)


def _go_back(state: FleetState, model: ModelState) -> list[Draft]:
    """To the last champion that may still serve, because a verdict says so."""
    to = retraining.last_good(model)
    if model.back_due is None or model.champion is None or to is None:
        return []
    finding = state.findings.get(model.back_due)
    why = "" if finding is None or finding.verdict is None else f": {finding.verdict.reason}"
    reason = f"verdict on finding {model.back_due[:12]}{why}"
    event = e.RolledBack(model=model.name, version=model.champion, to=to, reason=reason)
    return [_draft(event, model.name, model.champion, to, model.back_due)]


def _start(state: FleetState, model: ModelState, waves: WaveBook) -> list[Draft]:
    approved = [v for v in model.versions.values() if v.status is Status.APPROVED and v.signed is not None]
    if not approved:
        return []
    newest = max(approved, key=lambda version: version.number)
    if not waves.may_start(model, newest):
        return []
    steps = rollout.first_steps(state.spec_of(model), model.champion)
    event = e.RolloutStarted(model=model.name, version=newest.number, steps=steps)
    return [_draft(event, model.name, newest.number)]


def _continue(state: FleetState, model: ModelState) -> list[Draft]:
    running = model.rollout
    if running is None:
        return []
    spec = state.spec_of(model)
    verdict, reason = rollout.judge_running(spec, running, state.ticks_until)
    if verdict is StepVerdict.WAIT:
        return []
    key = (model.name, running.version, running.step)
    who: dict[str, Any] = {"model": model.name, "version": running.version}
    said = who | {"reason": reason, "policy": spec.policy_digest}
    if verdict is StepVerdict.ABORT:
        return [_draft(e.RolloutAborted(**said), *key)]
    if running.paused:
        return []
    last = len(running.steps) - 1
    following = running.step + 1
    if following <= last and running.steps[following].stage is not e.Stage.FULL:
        return [_draft(e.RolloutAdvanced(step=following, **said), *key)]
    return [_draft(e.VersionPromoted(as_of=running.measured_as_of, **said), *key)]


def _batch_moves(state: FleetState) -> list[Draft]:
    moves = []
    found = due(state)
    for spec, models in found.chosen.items():
        names = tuple(sorted(model.name for model in models))
        batch = derived_id("batch", spec, state.ticks_until.isoformat(), *names)
        event = e.RetrainingStarted(
            batch=batch,
            spec=spec,
            models=names,
            as_of=state.ticks_until,
            reason=in_words(state, found, models),
            **_alarms(state, models),
        )
        moves.append(_draft(event, batch))
    return moves


def _alarms(state: FleetState, models: list[ModelState]) -> dict[str, Any]:
    """What the models are retrained for: the alarm of each, and since when its errors grew."""
    known = {model.name: state.findings.get(model.due or "") for model in models}
    told = {name: finding.opened for name, finding in known.items() if finding is not None}
    if not told:
        return {}
    return {
        "alarms": {name: opened.since for name, opened in told.items()},
        "findings": {name: opened.finding for name, opened in told.items()},
    }
