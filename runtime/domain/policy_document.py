"""A policy as its owner writes it: what overrides the deciding parts of every spec it is for.

    kind: policy
    name: fewer-retrainings
    about: retrainings in winter helped nobody
    specs: ["flight-time-*"]            # names of specs; by default all
    risk_tiers: [low]                   # by default all
    monitor: {false_alarm_every: 20000}
    retrain: {degraded_by: 25%, snooze: 14d}
    approval: {otherwise: {approvers: 2}}
    guardrail: {worse_by: 0.05}
    rollout: [{shadow: 500 decisions}, {full: true}]
    alarm_budget: 4                     # false alarms in 30 days, of the whole fleet

What is not said stays as the spec says it. What a version is trained on and watched by its columns is the spec's alone:
no policy can say it, and no recorded past could tell what would have come of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from runtime.domain import canonical
from runtime.domain.base import Document
from runtime.domain.events import Stage, Step
from runtime.domain.guards import Guardrail
from runtime.domain.ids import digest_of
from runtime.domain.misfit import misfit
from runtime.domain.policies import PolicyName
from runtime.domain.spec import Approval, RiskTier, Spec
from runtime.domain.steps import step_of
from runtime.domain.watched import Monitoring, Retraining

SECTIONS = ("monitor", "retrain", "approval", "guardrail")
_THE_SPECS: dict[str, frozenset[str]] = {
    "monitor": frozenset({"every", "features", "slices", "checks", "outcomes_after"}),
    "retrain": frozenset({"data", "half_life", "holdout", "refit"}),
}
"""Fields that only a spec says."""

SpecPattern = Annotated[str, Field(min_length=1, max_length=200)]


class PolicyDocument(Document):
    """The whole document. Only fields that were written override anything."""

    kind: Literal["policy"]
    name: PolicyName
    about: str = Field(min_length=1, max_length=4000)
    specs: Annotated[tuple[SpecPattern, ...], Field(min_length=1)] = ("*",)
    risk_tiers: Annotated[tuple[RiskTier, ...], Field(min_length=1)] | None = None
    monitor: Monitoring | None = None
    retrain: Retraining | None = None
    approval: Approval | None = None
    guardrail: Guardrail | None = None
    rollout: Annotated[tuple[Annotated[Step, BeforeValidator(step_of)], ...], Field(min_length=1)] | None = None
    alarm_budget: Annotated[float, Field(gt=0, le=1_000_000)] | None = None

    @model_validator(mode="after")
    def _ends_in_full(self) -> Self:
        if self.rollout is not None and self.rollout[-1].stage is not Stage.FULL:
            raise misfit("rollout", f"{self.rollout[-1].stage.value} as the last step", "{full: true} there")
        return self

    @model_validator(mode="after")
    def _leaves_to_the_spec_what_is_its_own(self) -> Self:
        for section, own in _THE_SPECS.items():
            part = getattr(self, section)
            if part is not None and (said := sorted(part.model_fields_set & own)):
                raise misfit(f"{section}.{said[0]}", said[0], "a field that decides; this one only a spec says")
        return self

    def as_document(self) -> dict[str, Any]:
        """What was written, and no defaults: they are the spec's."""
        return self.model_dump(mode="json", exclude_none=True, exclude_unset=True)

    @property
    def digest(self) -> str:
        """Digest of the canonical document."""
        return digest_of(canonical.encode(self.as_document()))

    def rules(self, spec: Spec) -> bool:
        """Whether it is for this spec."""
        is_named = any(fnmatchcase(spec.name, pattern) for pattern in self.specs)
        return is_named and (self.risk_tiers is None or spec.risk_tier in self.risk_tiers)


def ruled(spec: Spec, policies: Iterable[PolicyDocument]) -> Spec:
    """The spec with what the policies override, a later one over an earlier.

    Raises ``pydantic.ValidationError`` when the whole does not fit together.
    """
    found = [policy for policy in policies if policy.rules(spec)]
    if not found:
        return spec
    document = spec.as_document()
    for policy in found:
        said = policy.as_document()
        for section in SECTIONS:
            if section in said:
                document[section] = {**document.get(section, {}), **said[section]}
        if "rollout" in said:
            document["rollout"] = said["rollout"]
    return Spec.model_validate(document)


def overridden(spec: Spec, under: Spec) -> list[tuple[str, Any, Any]]:
    """What decides otherwise under policies than by the spec alone: place, the spec's value, the value in force."""
    before, after = spec.as_document(), under.as_document()
    changes: list[tuple[str, Any, Any]] = []
    for section in (*SECTIONS, "rollout"):
        old, new = before.get(section), after.get(section)
        if isinstance(old, dict) and isinstance(new, dict):
            names = sorted({*old, *new})
            changes += [(f"{section}.{n}", old.get(n), new.get(n)) for n in names if old.get(n) != new.get(n)]
        elif old != new:
            changes.append((section, old, new))
    return changes
