"""State as JSON-able documents, the same whether it came from the governor or from the ledger."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter

from runtime.domain.findings import Answered
from runtime.domain.state import FindingState, IncidentState, ModelState
from runtime.policy.triage import standing as standing_of

_MODEL = TypeAdapter(ModelState)
_ANSWERED: TypeAdapter[Answered | None] = TypeAdapter(Answered | None)


def standing(model: ModelState) -> str:
    """In one word: does it answer?"""
    if model.retired:
        return "retired"
    if model.suspended:
        return "suspended"
    return "no champion" if model.champion is None else "serving"


def rollout_of(model: ModelState) -> str | None:
    """The running rollout in words."""
    running = model.rollout
    if running is None:
        return None
    step = running.current
    share = f" {step.share:.0%}" if step.stage.value == "canary" else ""
    return f"version {running.version} {step.stage.value}{share}, step {running.step + 1} of {len(running.steps)}"


def retraining_of(model: ModelState) -> str | None:
    """Whether a retraining is due or under way."""
    if model.batch is not None:
        return "under way"
    return None if model.due is None else "due"


def waiting(model: ModelState) -> list[int]:
    """Versions that wait for people."""
    return [version.number for version in model.versions.values() if version.is_asked_about]


def model_line(model: ModelState) -> dict[str, Any]:
    """A model among others."""
    return {
        "model": model.name,
        "standing": standing(model),
        "pool": model.pool or None,
        "champion": model.champion,
        "versions": len(model.versions),
        "awaiting_approval": waiting(model),
        "rollout": rollout_of(model),
        "retraining": retraining_of(model),
        "findings": model.findings,
        "retrainings": model.retrainings,
    }


def model_document(model: ModelState) -> dict[str, Any]:
    """Everything the ledger says of a model; the field names are those of ``ModelState``."""
    document: dict[str, Any] = _MODEL.dump_python(model, mode="json", by_alias=True)
    return {"standing": standing(model), **document}


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


def _answered(answered: Answered | None) -> dict[str, Any] | None:
    document: dict[str, Any] | None = _ANSWERED.dump_python(answered, mode="json", exclude_none=True)
    return document


def fleet_document(models: Iterable[ModelState]) -> dict[str, int]:
    """The fleet in numbers."""
    models = list(models)
    standings = Counter(standing(model) for model in models)
    return {
        "models": len(models),
        "serving": standings["serving"],
        "suspended": standings["suspended"],
        "retired": standings["retired"],
        "versions": sum(len(model.versions) for model in models),
        "awaiting_approval": sum(len(waiting(model)) for model in models),
        "rollouts": sum(model.rollout is not None for model in models),
        "retrainings_due": sum(model.due is not None for model in models),
        "retrainings_under_way": sum(model.batch is not None for model in models),
        "findings": sum(model.findings for model in models),
    }
