"""Findings and incidents with their evidence and what was answered."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter

from runtime.domain.findings import Answered
from runtime.domain.model_state import FindingState, IncidentState, ModelState
from runtime.domain.state import FleetState
from runtime.policy.triage import WAITING
from runtime.policy.triage import standing as standing_of

_ANSWERED: TypeAdapter[Answered | None] = TypeAdapter(Answered | None)


@dataclass(frozen=True, slots=True)
class Asked:
    """Which findings or incidents: of one model, those that wait for somebody, those from before an entry."""

    model: str | None = None
    only_waiting: bool = False
    before: int | None = None


EVERY = Asked()


def finding_document(finding: FindingState, model: ModelState, now: datetime) -> dict[str, Any]:
    """A finding with its evidence, the entry it stands at, what policy and people answered, and where it stands."""
    answer = None if finding.verdict is None else finding.verdict.as_document()
    return {
        "entry": finding.seq,
        **finding.opened.as_document(),
        "verdict": answer,
        "standing": standing_of(finding, model, now).value,
        "answered": _answered(finding.answered),
        "acknowledged_by": finding.acknowledged_by,
        "incident": finding.incident,
    }


def incident_document(incident: IncidentState, now: datetime) -> dict[str, Any]:
    """An incident with all models that joined it, and where it stands."""
    return {
        "entry": incident.seq,
        **incident.opened.as_document(),
        "models": list(incident.models),
        "standing": standing_of(incident, None, now).value,
        "answered": _answered(incident.answered),
        "acknowledged_by": incident.acknowledged_by,
    }


def one_finding(state: FleetState, name: str) -> dict[str, Any]:
    """A finding or an incident by its id, or the first letters of it. Raises ``UnknownFinding``."""
    found = state.finding(name)
    if isinstance(found, FindingState):
        return finding_document(found, state.model(found.opened.model), state.ticks_until)
    return incident_document(found, state.ticks_until)


def findings(state: FleetState, asked: Asked = EVERY) -> Iterator[dict[str, Any]]:
    """Findings, the newest first. Raises ``UnknownModel``."""
    for found in asked_findings(state, asked):
        yield finding_document(found, state.models[found.opened.model], state.ticks_until)


def incidents(state: FleetState, asked: Asked = EVERY) -> Iterator[dict[str, Any]]:
    """Incidents, the newest first. Raises ``UnknownModel``."""
    for found in asked_incidents(state, asked):
        yield incident_document(found, state.ticks_until)


def asked_findings(state: FleetState, asked: Asked) -> Iterator[FindingState]:
    """As the state has them. Raises ``UnknownModel``."""
    if asked.model is not None:
        state.model(asked.model)
    for found in reversed(list(state.findings.values())):
        if (asked.before is None or found.seq < asked.before) and asked.model in {None, found.opened.model}:
            model = state.models[found.opened.model]
            if not asked.only_waiting or standing_of(found, model, state.ticks_until) in WAITING:
                yield found


def asked_incidents(state: FleetState, asked: Asked) -> Iterator[IncidentState]:
    """As the state has them. Raises ``UnknownModel``."""
    if asked.model is not None:
        state.model(asked.model)
    for found in reversed(list(state.incidents.values())):
        is_theirs = asked.model is None or asked.model in found.models
        if is_theirs and (asked.before is None or found.seq < asked.before):
            standing = standing_of(found, None, state.ticks_until)
            if not asked.only_waiting or standing in WAITING:
                yield found


def _answered(answered: Answered | None) -> dict[str, Any] | None:
    document: dict[str, Any] | None = _ANSWERED.dump_python(answered, mode="json", exclude_none=True)
    return document
