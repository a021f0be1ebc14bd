"""Every model in one line, as somebody looks over a fleet: whose it is, how it stands, what was found of late."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from runtime.control.views.models import model_line
from runtime.domain.base import DAWN, rfc3339
from runtime.domain.events import FindingKind
from runtime.domain.metrics import Metric, headline
from runtime.domain.model_state import FindingState, ModelState
from runtime.domain.state import FleetState
from runtime.policy.triage import WAITING, standing

WEEKS = 26
_WEEK = timedelta(days=7)


def overview(state: FleetState, names: Iterable[str]) -> list[dict[str, Any]]:
    """These models by name, each with its alarms of the last ``WEEKS`` weeks of data time, the oldest first."""
    own = _by_model(state)
    return [_line(state, state.models[name], own.get(name, [])) for name in sorted(names)]


def specs_told(state: FleetState) -> dict[str, dict[str, Any]]:
    """What a spec says of all its models, by its name."""
    return {
        name: {"contact": spec.owner.contact, "purpose": spec.purpose, "target": spec.data.target}
        for name, spec in state.specs.items()
    }


def _by_model(state: FleetState) -> dict[str, list[FindingState]]:
    found: dict[str, list[FindingState]] = defaultdict(list)
    for each in state.findings.values():
        found[each.opened.model].append(each)
    return found


def _line(state: FleetState, model: ModelState, found: list[FindingState]) -> dict[str, Any]:
    spec, now = state.spec_of(model), state.ticks_until
    waiting = [each for each in found if standing(each, model, now) in WAITING]
    return {
        **model_line(model),
        "revision": model.seq,
        "spec": model.spec,
        "partition": model.partition,
        "owner": spec.owner.team,
        "risk_tier": spec.risk_tier.value,
        "task": spec.task.value,
        "champion_since": None if model.champion_since is None else rfc3339(model.champion_since),
        "rows_a_day": state.traffic.get(model.name),
        "waiting_findings": len(waiting),
        "calls_a_person": any(each.verdict is not None and each.verdict.action == "call_a_person" for each in waiting),
        "error": _error(model, found),
        "alarms": _weekly(found, now),
    }


def _error(model: ModelState, found: list[FindingState]) -> dict[str, Any] | None:
    """The champion's error when it was tested, and what a finding last told of it in service."""
    champion = model.serving
    metric = None if champion is None or champion.report is None else headline(champion.report.metrics)
    if champion is None or champion.report is None or metric is None:
        return None
    measured = [each.opened for each in found if each.opened.version == champion.number and each.opened.recent]
    recent = None
    if measured and measured[-1].recent is not None:
        recent = measured[-1].recent.error(metric)
    tested = metric.error_of(champion.report.metrics[metric.value])
    return {"metric": Metric(metric).error_name, "tested": tested, "recent": recent}


def _weekly(found: list[FindingState], now: datetime) -> dict[str, list[int]]:
    """Alarms by week: of errors, and all others."""
    counts = {"performance": [0] * WEEKS, "other": [0] * WEEKS}
    newest = max((each.opened.as_of for each in found), default=now)
    until = max(now, newest) if now != DAWN else newest
    for each in found:
        place = WEEKS - 1 - int((until - each.opened.as_of) / _WEEK)
        if 0 <= place < WEEKS:
            counts["performance" if each.opened.about is FindingKind.PERFORMANCE else "other"][place] += 1
    return counts
