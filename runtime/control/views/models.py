"""Models, their versions, what is being rolled out, and what waits for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import TypeAdapter

from runtime.domain.base import rfc3339
from runtime.domain.model_state import ModelState, RolloutState, VersionState
from runtime.domain.state import FleetState
from runtime.policy.approval import missing

_MODEL = TypeAdapter(ModelState)
_VERSION = TypeAdapter(VersionState)
_ROLLOUT = TypeAdapter(RolloutState)


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


def model_of(document: dict[str, Any]) -> ModelState:
    """The model that ``model_document`` told of. Raises ``pydantic.ValidationError``."""
    return _MODEL.validate_python({name: value for name, value in document.items() if name != "standing"})


def version_document(version: VersionState) -> dict[str, Any]:
    """Everything the ledger says of a version."""
    document: dict[str, Any] = _VERSION.dump_python(version, mode="json", by_alias=True)
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


def rollouts(state: FleetState) -> Iterator[dict[str, Any]]:
    """Rollouts that run, by model: their steps, where they are, and what was measured of the step."""
    for model in sorted(state.models.values(), key=lambda each: each.name):
        if model.rollout is not None:
            told = _ROLLOUT.dump_python(model.rollout, mode="json", by_alias=True, exclude_none=True)
            yield {"model": model.name, "champion": model.champion, "in_words": rollout_of(model), **told}


def approvals(state: FleetState) -> Iterator[dict[str, Any]]:
    """Versions that people are asked about, new ones and those to serve for longer; registered first in front."""
    queue = [
        (version, model)
        for model in state.models.values()
        for version in model.versions.values()
        if version.is_asked_about and not model.retired
    ]
    for version, model in sorted(queue, key=lambda each: (each[0].registered_at, each[1].name)):
        yield _approval(state, model, version)


def _approval(state: FleetState, model: ModelState, version: VersionState) -> dict[str, Any]:
    report, request = version.report, version.request
    return {
        "model": model.name,
        "version": version.number,
        "revision": model.seq,
        "risk_tier": state.spec_of(model).risk_tier.value,
        "reason": version.reason,
        "renewal": request is not None and request.renewal is True,
        "until": None if request is None or request.until is None else rfc3339(request.until),
        "needed": version.needed,
        "missing": {} if request is None else missing(request.people, version.consents),
        "approvers": list(version.approvers),
        "registered_by": version.registered_by,
        "registered_at": rfc3339(version.registered_at),
        "data_before": rfc3339(version.registered.as_of),
        "champion": model.champion,
        "metrics": {} if report is None else dict(report.metrics),
        "gates": None if report is None else len(report.gates),
        "failed_gates": [] if report is None else [each.as_document() for each in report.failures],
    }
