"""A step ends well within the guardrail, ends badly above it, and waits while too little was judged."""

import pytest

from runtime.domain.verdict import StepVerdict
from runtime.policy.rollout import first_steps, judge
from tests.unit.domain.lives import STEPS, a_comparison, a_spec

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
