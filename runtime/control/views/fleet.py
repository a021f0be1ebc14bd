"""The fleet as a whole: its numbers, specs, pools, legal holds."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import TypeAdapter

from runtime.control.views.findings import Asked, asked_findings, asked_incidents
from runtime.control.views.models import approvals, fleet_document
from runtime.domain.base import DAWN, rfc3339
from runtime.domain.policies import PolicyState
from runtime.domain.pools import prefix_of
from runtime.domain.state import FleetState
from runtime.policy import pools as policy
from runtime.policy.accountable import Line, lines

_LINE = TypeAdapter(Line)
_POLICY = TypeAdapter(PolicyState)
_WAITING = Asked(only_waiting=True)


def summary(state: FleetState) -> dict[str, Any]:
    """The fleet in numbers."""
    totals = state.totals
    return {
        **fleet_document(state.models.values()),
        "decisions": totals.decisions,
        "outcomes": totals.outcomes,
        "records_lost": totals.lost,
        "loads_refused": totals.refused_loads,
        "commands_refused": totals.refused_commands,
        "judged_until": None if state.ticks_until == DAWN else rfc3339(state.ticks_until),
    }


def waiting(state: FleetState) -> dict[str, int]:
    """How much waits for somebody, by what it is."""
    return {
        "approvals": sum(1 for _ in approvals(state)),
        "findings": sum(1 for _ in asked_findings(state, _WAITING)),
        "incidents": sum(1 for _ in asked_incidents(state, _WAITING)),
        "rollouts": sum(model.rollout is not None for model in state.models.values()),
    }


def pools(state: FleetState) -> list[dict[str, Any]]:
    """Pools that models need or that were configured, by name."""
    return [
        {
            "pool": view.pool,
            "prefix": prefix_of(view.pool),
            "models": view.models,
            "options": None if view.options is None else view.options.as_document(),
        }
        for view in policy.views(state)
    ]


def specs(state: FleetState) -> list[dict[str, Any]]:
    """Applied specs by name, each with its digest and how many models it has."""
    counts = dict.fromkeys(state.specs, 0)
    for model in state.models.values():
        counts[model.spec] += not model.retired
    return [{"spec": name, "digest": state.specs[name].digest, "models": counts[name]} for name in sorted(state.specs)]


def spec_document(state: FleetState, name: str) -> dict[str, Any]:
    """A spec as it was applied last. Raises ``Refused``."""
    spec = state.spec(name)
    return {"spec": name, "digest": spec.digest, "document": spec.as_document()}


def holds(state: FleetState) -> list[dict[str, Any]]:
    """Legal holds by number, those that were released too."""
    return [
        {
            "hold": each.hold,
            "model": each.model,
            "reason": each.reason,
            "by": each.by,
            "entry": each.seq,
            "released": each.released,
        }
        for each in state.holds.values()
    ]


def policies(state: FleetState) -> list[dict[str, Any]]:
    """What overrides specs, or is proposed to, by name."""
    return [{"standing": each.standing, **_POLICY.dump_python(each, mode="json")} for each in state.policies.values()]


def inventory(state: FleetState, now: datetime) -> list[dict[str, Any]]:
    """Who answers for which model, by name: owner, tier, review, and what is overdue at this moment."""
    return [_LINE.dump_python(each, mode="json") for each in lines(state, now)]
