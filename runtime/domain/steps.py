"""The steps of a rollout as an owner writes them."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from runtime.domain.base import Document
from runtime.domain.events import Stage
from runtime.domain.terms import Count, Share
from runtime.domain.training import Period


def step_of(value: Any) -> Any:
    """A rollout step as an owner writes it, in the fields of ``Step``."""
    if not isinstance(value, dict) or isinstance(value.get("stage"), str):
        return value
    rest = {key for key in value if key not in ("shadow", "canary", "blue_green", "full", "for", "hold")}
    stages = [stage for stage in Stage if stage.value in value]
    if rest or len(stages) != 1:
        raise ValueError(
            "expected {shadow: N decisions}, {canary: P%, for: N decisions}, {blue_green: N decisions} or {full: true}"
        )
    return _STEP_FORMS[stages[0]](value)


def _canary(value: dict[str, Any]) -> dict[str, Any]:
    form = _CanaryForm.model_validate(value)
    return {"stage": Stage.CANARY, "share": form.canary, "decisions": form.decisions}


class _CanaryForm(Document):
    canary: Share
    decisions: Count = Field(alias="for", ge=1)


class _ShadowForm(Document):
    shadow: Count = Field(ge=1)


def _shadow(value: dict[str, Any]) -> dict[str, Any]:
    return {"stage": Stage.SHADOW, "share": 0.0, "decisions": _ShadowForm.model_validate(value).shadow}


class _BlueGreenForm(Document):
    blue_green: Count = Field(ge=1)
    hold: Period | None = None


def _blue_green(value: dict[str, Any]) -> dict[str, Any]:
    form = _BlueGreenForm.model_validate(value)
    return {"stage": Stage.BLUE_GREEN, "share": 1.0, "decisions": form.blue_green, "hold": form.hold}


def _full(value: dict[str, Any]) -> dict[str, Any]:
    if value != {"full": True}:
        raise ValueError("expected {full: true}")
    return {"stage": Stage.FULL, "share": 1.0, "decisions": 0}


_STEP_FORMS = {Stage.SHADOW: _shadow, Stage.CANARY: _canary, Stage.BLUE_GREEN: _blue_green, Stage.FULL: _full}
