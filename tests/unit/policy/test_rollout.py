"""A step ends well within the guardrail, ends badly above it, and waits while too little was judged."""

from dataclasses import replace
from datetime import timedelta

import pytest
from pydantic import ValidationError

from runtime.domain import events as e
from runtime.domain.guards import Guard, GuardReading
from runtime.domain.model_state import RolloutState
from runtime.domain.verdict import StepVerdict
from runtime.policy.rollout import first_steps, judge, judge_running
from tests.unit.domain.lives import MONDAY, STEPS, a_comparison, a_spec

SHADOW, CANARY, FULL = STEPS


@pytest.mark.parametrize(
    ("challenger", "verdict", "end"),
    [
        (9.0, StepVerdict.ADVANCE, "within the guardrail of 11.00"),
        (11.0, StepVerdict.ADVANCE, "within the guardrail of 11.00"),
        (11.01, StepVerdict.ABORT, "above the guardrail of 11.00"),
    ],
)
def test_the_guardrail_is_a_share_above_the_champions_error(challenger: float, verdict: StepVerdict, end: str) -> None:
    found, reason = judge(a_spec(), SHADOW, a_comparison(challenger))
    assert found is verdict
    assert reason == f"challenger MAE {challenger:.2f} against the champion's 10.00 on 30 shadow decisions: {end}"


def test_a_step_waits_for_its_decisions() -> None:
    assert judge(a_spec(), SHADOW, None)[0] is StepVerdict.WAIT
    assert judge(a_spec(), SHADOW, a_comparison(rows=29))[0] is StepVerdict.WAIT
    assert judge(a_spec(), SHADOW, a_comparison(99.0, rows=29))[0] is StepVerdict.WAIT
    assert judge(a_spec(), CANARY, a_comparison(rows=10))[0] is StepVerdict.ADVANCE


def test_the_full_step_promotes_without_a_measure() -> None:
    assert judge(a_spec(), FULL, None) == (StepVerdict.ADVANCE, "the last step")


def test_a_first_version_has_nobody_to_be_compared_with() -> None:
    assert first_steps(a_spec(), champion=None) == (FULL,)
    assert first_steps(a_spec(), champion=1) == STEPS


def test_a_classifier_is_judged_by_the_error_of_its_metric() -> None:
    measured = a_comparison(0.2).model_copy(update={"metric": "1 - roc_auc", "champion": 0.1})
    found, reason = judge(a_spec(), SHADOW, measured)
    assert found is StepVerdict.ABORT
    assert reason.startswith("challenger 1 - ROC AUC 0.2000 against the champion's 0.1000 on 30 shadow decisions")


def a_reading(guard: Guard = Guard.ERROR, evidence: float = 0.0, cleared: float | None = None) -> GuardReading:
    return GuardReading(
        guard=guard,
        rows=40,
        value=0.1,
        limit=0.05,
        log_evidence=evidence,
        log_threshold=3.0,
        log_cleared=cleared,
    )


@pytest.mark.parametrize(
    ("guard", "says"),
    [
        (Guard.ERROR, "surely above the guardrail of 0.05"),
        (Guard.FAILED, "10.0% of the challenger's rows were answered by no number or not at all on 40 rows"),
        (Guard.SLOW, "10.0% of the challenger's answers took longer than the guardrail allows on 40 rows"),
        (Guard.APART, "10.0% of its answers lie elsewhere than the champion's on 40 rows, surely more than 5.0%"),
    ],
)
def test_what_is_surely_beyond_a_limit_ends_a_step_before_its_decisions_are_judged(guard: Guard, says: str) -> None:
    found, reason = judge(a_spec(), SHADOW, a_comparison(rows=12), (a_reading(guard, evidence=3.0),))
    assert found is StepVerdict.ABORT
    assert says in reason
    assert "(log evidence 3.0 of 3.0)" in reason
    assert judge(a_spec(), SHADOW, a_comparison(rows=12), (a_reading(guard, evidence=2.9),))[0] is StepVerdict.WAIT


CONFIDENT = {"guardrail": {"worse_by": 0.1, "confidence": 0.95, "patience": 3}}


@pytest.mark.parametrize(
    ("rows", "cleared", "verdict", "end"),
    [
        (30, 3.0, StepVerdict.ADVANCE, "shown to be within it at 0.95 confidence"),
        (30, 2.9, StepVerdict.WAIT, "not shown yet at 0.95 confidence"),
        (89, 0.0, StepVerdict.WAIT, "not shown yet at 0.95 confidence"),
        (90, 2.9, StepVerdict.ABORT, "not shown to be within it at 0.95 confidence, and no more is waited for"),
        (29, 9.0, StepVerdict.WAIT, "not enough judged decisions yet"),
    ],
)
def test_with_a_confidence_only_what_is_shown_passes(rows: int, cleared: float, verdict: StepVerdict, end: str) -> None:
    """The sample's own error is well within the limit in each: luck alone does not pass a step."""
    found, reason = judge(a_spec(**CONFIDENT), SHADOW, a_comparison(9.0, rows), (a_reading(cleared=cleared),))
    assert (found, reason.endswith(end)) == (verdict, True), reason


HELD = e.Step(stage=e.Stage.BLUE_GREEN, share=1.0, decisions=10, hold=timedelta(days=2))


def test_a_step_is_held_for_its_time_and_a_pause_holds_it_for_longer_but_saves_no_bad_challenger() -> None:
    running = RolloutState(2, (HELD, FULL), 0, measured=a_comparison(), since=MONDAY)
    early, late = MONDAY + timedelta(days=1), MONDAY + timedelta(days=2)
    assert judge_running(a_spec(), running, early) == (StepVerdict.WAIT, "held until 2026-03-04 00:00")
    assert judge_running(a_spec(), running, late)[0] is StepVerdict.ADVANCE
    paused = replace(running, paused="a strike")
    assert judge_running(a_spec(), paused, late) == (StepVerdict.WAIT, "paused: a strike")
    broken = replace(paused, guards=(a_reading(evidence=9.0),))
    assert judge_running(a_spec(), broken, early)[0] is StepVerdict.ABORT


def test_patience_without_a_confidence_waits_for_nothing() -> None:
    with pytest.raises(ValidationError, match="a confidence beside it"):
        a_spec(guardrail={"patience": 3})


def test_steps_and_waves_are_written_as_an_owner_would_say_them() -> None:
    rollout = [{"shadow": 30}, {"blue_green": "500 decisions", "hold": "12h"}, {"full": True}]
    spec = a_spec(rollout=rollout, waves={"shares": ["5%", "25%", "100%"], "stop_at": "20%"})
    step = spec.rollout[1]
    assert (step.stage, step.share, step.decisions, step.hold) == (e.Stage.BLUE_GREEN, 1.0, 500, timedelta(hours=12))
    assert a_spec(rollout=spec.as_document()["rollout"]).rollout == spec.rollout
    assert spec.waves is not None
    assert (spec.waves.bounds(100), spec.waves.bounds(2), spec.waves.bounds(1)) == ((5, 25, 100), (1, 2, 2), (1, 1, 1))
    for shares in (["100%"], ["50%", "20%", "100%"], ["5%", "25%"]):
        with pytest.raises(ValidationError):
            a_spec(waves={"shares": shares})


def test_a_spec_that_says_none_of_it_is_written_as_it_always_was() -> None:
    document = a_spec().as_document()
    assert document["guardrail"] == {"worse_by": 0.1}
    assert "waves" not in document
    assert all("hold" not in step for step in document["rollout"])
    assert "recalibrate" not in document["retrain"]
