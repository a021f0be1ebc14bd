"""Overrides in a spec: what is wrong with one is named by its place."""

import pytest

from runtime.domain.flags import rule_of
from runtime.domain.load import parse_spec
from runtime.domain.overrides import Action, Constant, Fallback
from runtime.domain.spec import Spec
from tests.unit.domain.test_load import FLEET, error_of

MODEL = (
    FLEET.replace("kind: fleet", "kind: model")
    .replace("flight-time-{carrier}", "flight-time")
    .replace("for_each: {by: [carrier], min_rows: 365}\n", "")
)
GATES = FLEET[FLEET.index("  - {metric: mae") : FLEET.index("monitor:")]
CLASSES = (
    MODEL.replace("regression", "classification")
    .replace("Regressor", "Classifier")
    .replace("trials: 8", "trials: 8\n  metric: log_loss")
    .replace(GATES, "  - {round_trip: true}\n")
)


def ruled(text: str, base: str = FLEET) -> Spec:
    return parse_spec(f"{base}overrides:\n  - {text}\n")


def test_a_rule_says_when_and_what_then() -> None:
    spec = ruled("{when: out_of_range, features: [distance], margin: 10%, then: {fallback: other}}")
    [rule] = spec.overrides or ()
    assert (rule.when, rule.then, rule.action) == ("out_of_range", Fallback(fallback="other"), Action.FALLBACK)
    assert rule.model_dump(include={"features", "margin"}) == {"features": ("distance",), "margin": 0.1}
    [rule] = ruled("{when: missing, then: {value: 140}}").overrides or ()
    assert (rule.then, rule.action) == (Constant(value=140), Action.VALUE)
    assert Spec.model_validate(spec.as_document()) == spec


def test_a_spec_without_overrides_is_the_document_it_was_and_rules_are_part_of_its_policy() -> None:
    plain, with_rules = parse_spec(FLEET), ruled("{when: missing, then: flag}")
    assert "overrides" not in plain.as_document()
    assert plain.policy_digest != with_rules.policy_digest


def test_the_strictest_action_is_to_refuse() -> None:
    assert [action.word for action in sorted(Action)] == ["flag", "value", "fallback", "refuse"]


@pytest.mark.parametrize(
    ("rule", "error"),
    [
        ("{when: out_of_rang, then: flag}", "overrides[0]: got {'when': 'out_of_rang', 'then': 'flag'}; expected"),
        ("{then: flag}", "overrides[0]: got {'then': 'flag'}; expected a value for 'when'"),
        ("{when: missing}", "overrides[0].then: got nothing; expected a value for it"),
        ("{when: missing, then: stop}", "overrides[0].then: got 'stop'; expected flag, refuse, {value: NUMBER}"),
        ("{when: missing, then: {value: 1, fallback: m}}", "overrides[0].then: got {'value': 1, 'fallback': 'm'}"),
        ("{when: missing, then: {value: much}}", "overrides[0].then.value: got 'much'; expected a number"),
        ("{when: missing, then: {value: .inf}}", "overrides[0].then.value: got inf; expected a finite number"),
        ("{when: missing, then: {fallback: a/b}}", "overrides[0].then.fallback: got 'a/b'; expected text of the form"),
        ("{when: missing, features: [rain], then: flag}", "overrides[0].features: got rain; expected names among"),
        ("{when: missing, features: [], then: flag}", "overrides[0].features: got []; expected"),
        ("{when: missing, margin: 10%, then: flag}", "overrides[0].margin: got unknown field 'margin'"),
        ("{when: out_of_range, margin: 110%, then: flag}", "overrides[0].margin: got '110%'; expected a share"),
        ("{when: low_confidence, below: 0.6, then: flag}", "overrides[0].when: got low_confidence; expected a class"),
    ],
)  # fmt: skip
def test_a_wrong_rule_is_named_by_its_place(rule: str, error: str) -> None:
    assert str(error_of(f"{FLEET}overrides:\n  - {rule}\n")).startswith(f"fleet.yaml:31: {error}")


@pytest.mark.parametrize(
    ("rule", "error"),
    [
        ("{when: low_confidence, below: 0.5, then: flag}", "overrides[0].below: got 0.5; expected greater than 0.5"),
        ("{when: missing, then: {value: 1.5}}", "overrides[0].then.value: got 1.5; expected a probability"),
        ("{when: outside_trained_predictions, then: flag}", "overrides[0].when: got outside_trained_predictions"),
    ],
)  # fmt: skip
def test_a_rule_fits_what_its_model_gives(rule: str, error: str) -> None:
    ruled("{when: low_confidence, below: 0.6, then: {value: 0.5}}", CLASSES)
    assert error in str(error_of(f"{CLASSES}overrides:\n  - {rule}\n"))


def test_of_several_classes_a_rule_may_answer_with_the_number_of_one_and_knows_no_confidence() -> None:
    several = CLASSES.replace("task: classification", "task: classification\nclasses: [low, mid, high]")
    ruled("{when: missing, then: {value: 2}}", several)
    for rule, error in (
        ("{when: missing, then: {value: 3}}", "overrides[0].then.value: got 3; expected the number of a class, 0 to 2"),
        ("{when: missing, then: {value: 0.5}}", "overrides[0].then.value: got 0.5; expected the number of a class"),
        ("{when: low_confidence, below: 0.6, then: flag}", "overrides[0].when: got low_confidence; expected a class"),
    ):
        assert error in str(error_of(f"{several}overrides:\n  - {rule}\n"))


def test_a_list_without_a_rule_is_no_list_and_a_model_is_not_its_own_fallback() -> None:
    assert "overrides: got []; expected at least 1 in the list" in str(error_of(FLEET + "overrides: []\n"))
    error = str(error_of(f"{MODEL}overrides:\n  - {{when: missing, then: {{fallback: flight-time}}}}\n"))
    assert "overrides[0].then.fallback: got 'flight-time'; expected another model" in error


def test_a_flag_of_a_rule_is_told_from_every_other() -> None:
    assert rule_of("override:flag:low_confidence") == ("flag", "low_confidence", "")
    assert [rule_of(flag) for flag in ("version_named", "refused", "answered:140.0", "override", "override:x")] == [
        None
    ] * 5
