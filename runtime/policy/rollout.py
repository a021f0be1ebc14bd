"""Whether a rollout step goes on, ends well, or ends."""

from __future__ import annotations

from runtime.domain.events import Stage, Step
from runtime.domain.metrics import shown, spelled
from runtime.domain.reports import Comparison
from runtime.domain.spec import Spec
from runtime.domain.verdict import StepVerdict


def first_steps(spec: Spec, champion: int | None) -> tuple[Step, ...]:
    """The steps of a version's rollout; the first version of a model has nobody to be compared with."""
    return spec.rollout if champion is not None else (spec.rollout[-1],)


def judge(spec: Spec, step: Step, measured: Comparison | None) -> tuple[StepVerdict, str]:
    """The step's verdict and its reason. A step that nobody measured waits; the full step is the end."""
    if step.stage is Stage.FULL:
        return StepVerdict.ADVANCE, "the last step"
    if measured is None or measured.rows < step.decisions:
        return StepVerdict.WAIT, "not enough judged decisions yet"
    limit = measured.champion * (1 + spec.guardrail.worse_by)
    name = measured.metric
    numbers = (
        f"challenger {spelled(name)} {shown(name, measured.challenger)} against the champion's "
        f"{shown(name, measured.champion)} on {measured.rows} {step.stage.value} decisions"
    )
    if measured.challenger > limit:
        return StepVerdict.ABORT, f"{numbers}: above the guardrail of {shown(name, limit)}"
    return StepVerdict.ADVANCE, f"{numbers}: within the guardrail of {shown(name, limit)}"
