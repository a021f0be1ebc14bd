"""Whether a rollout step goes on, ends well, or ends.

a guard is surely broken                          ends, whatever else is so
too few decisions, or its hold is not over        goes on
no confidence is asked for                        the sample's own error decides
the error is surely within its limit              ends well
not after ``patience`` times its decisions        ends: what cannot be shown is not passed on
"""

from __future__ import annotations

from datetime import datetime, timedelta

from runtime.domain.events import Stage, Step
from runtime.domain.guards import Guard, GuardReading
from runtime.domain.metrics import shown, spelled
from runtime.domain.model_state import RolloutState
from runtime.domain.reports import Comparison
from runtime.domain.spec import Spec
from runtime.domain.verdict import StepVerdict


def first_steps(spec: Spec, champion: int | None) -> tuple[Step, ...]:
    """The steps of a version's rollout; the first version of a model has nobody to be compared with."""
    return spec.rollout if champion is not None else (spec.rollout[-1],)


def judge_running(spec: Spec, running: RolloutState, ticks_until: datetime) -> tuple[StepVerdict, str]:
    """As ``judge``, of a rollout as it stands; one that is paused only waits, or ends."""
    step = running.current
    held = step.hold is None or ticks_until - running.since >= step.hold
    verdict, reason = judge(spec, step, running.measured, running.guards)
    if verdict is StepVerdict.ADVANCE and running.paused:
        return StepVerdict.WAIT, f"paused: {running.paused}"
    if verdict is StepVerdict.ADVANCE and not held:
        return StepVerdict.WAIT, f"held until {running.since + (step.hold or timedelta(0)):%Y-%m-%d %H:%M}"
    return verdict, reason


def judge(
    spec: Spec, step: Step, measured: Comparison | None, guards: tuple[GuardReading, ...] = ()
) -> tuple[StepVerdict, str]:
    """The step's verdict and its reason. A step that nobody measured waits; the full step is the end."""
    if step.stage is Stage.FULL:
        return StepVerdict.ADVANCE, "the last step"
    broken = [reading for reading in guards if reading.is_broken]
    if broken:
        return StepVerdict.ABORT, "; ".join(_broken(reading, step, measured) for reading in broken)
    if measured is None or measured.rows < step.decisions:
        return StepVerdict.WAIT, "not enough judged decisions yet"
    limit = measured.champion * (1 + spec.guardrail.worse_by)
    above, numbers = shown(measured.metric, limit), _numbers(step, measured)
    if spec.guardrail.confidence is not None:
        return _by_evidence(spec, step, measured, guards, f"{numbers}, where {above} is allowed")
    if measured.challenger > limit:
        return StepVerdict.ABORT, f"{numbers}: above the guardrail of {above}"
    return StepVerdict.ADVANCE, f"{numbers}: within the guardrail of {above}"


def _by_evidence(
    spec: Spec, step: Step, measured: Comparison, guards: tuple[GuardReading, ...], numbers: str
) -> tuple[StepVerdict, str]:
    """What is shown passes, however few decisions more it takes; what is not shown in time does not."""
    error = next((reading for reading in guards if reading.guard is Guard.ERROR), None)
    level = f"{1 - spec.guardrail.chance:.4g} confidence"
    if error is not None and error.is_cleared(spec.guardrail.chance):
        return StepVerdict.ADVANCE, f"{numbers}: shown to be within it at {level}"
    if measured.rows >= spec.guardrail.most(step.decisions):
        return StepVerdict.ABORT, f"{numbers}: not shown to be within it at {level}, and no more is waited for"
    return StepVerdict.WAIT, f"{numbers}: not shown yet at {level}"


def _numbers(step: Step, measured: Comparison) -> str:
    name = measured.metric
    return (
        f"challenger {spelled(name)} {shown(name, measured.challenger)} against the champion's "
        f"{shown(name, measured.champion)} on {measured.rows} {step.stage.value.replace('_', '/')} decisions"
    )


def _broken(reading: GuardReading, step: Step, measured: Comparison | None) -> str:
    """What a guard says, with its numbers: the entry that bears it is to be understood by itself."""
    sure = f"log evidence {reading.log_evidence:.1f} of {reading.log_threshold:.1f}"
    if reading.guard is Guard.ERROR:
        numbers = "challenger's error" if measured is None else _numbers(step, measured)
        name = "mae" if measured is None else measured.metric
        return f"{numbers}: surely above the guardrail of {shown(name, reading.limit)} ({sure})"
    found = {
        Guard.FAILED: "of the challenger's rows were answered by no number or not at all",
        Guard.SLOW: "of the challenger's answers took longer than the guardrail allows",
        Guard.APART: "of its answers lie elsewhere than the champion's",
    }[reading.guard]
    return f"{reading.value:.1%} {found} on {reading.rows} rows, surely more than {reading.limit:.1%} ({sure})"
