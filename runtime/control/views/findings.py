"""Findings and incidents with their evidence and what was answered."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter

from runtime.domain.findings import Answered
from runtime.domain.state import FindingState, FleetState, IncidentState, ModelState
from runtime.policy.triage import WAITING
from runtime.policy.triage import standing as standing_of

_ANSWERED: TypeAdapter[Answered | None] = TypeAdapter(Answered | None)


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


def findings(state: FleetState, model: str | None = None, *, only_waiting: bool = False) -> Iterator[dict[str, Any]]:
    """Findings, the newest first; those of one model, those that wait for somebody. Raises ``UnknownModel``."""
    if model is not None:
        state.model(model)
    for found in reversed(list(state.findings.values())):
        if model in {None, found.opened.model}:
            document = finding_document(found, state.models[found.opened.model], state.ticks_until)
            if not only_waiting or document["standing"] in WAITING:
                yield document


def incidents(state: FleetState, model: str | None = None, *, only_waiting: bool = False) -> Iterator[dict[str, Any]]:
    """Incidents, the newest first; those that a model joined, those that wait for somebody."""
    for found in reversed(list(state.incidents.values())):
        if model is None or model in found.models:
            document = incident_document(found, state.ticks_until)
            if not only_waiting or document["standing"] in WAITING:
                yield document


def _answered(answered: Answered | None) -> dict[str, Any] | None:
    document: dict[str, Any] | None = _ANSWERED.dump_python(answered, mode="json", exclude_none=True)
    return document
