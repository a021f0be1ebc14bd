"""Gates that ask a version: each passes one that behaves, and refuses one that does not, with its numbers."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from runtime.domain.errors import SpecError
from runtime.domain.reports import GateResult
from runtime.domain.schema import Field, FieldKind, Schema, Task, outputs_of
from runtime.domain.spec import Spec
from runtime.flavors import Columns, Floats
from runtime.pipeline.evaluate import evaluate, gather
from runtime.pipeline.gates import Evidence, judge
from runtime.pipeline.probing import Probe, Recorded
from tests.unit.pipeline.flights import SPEC, a_spec, trained

ROWS = 200
SCHEMA = Schema(
    inputs=(Field(name="hour", kind=FieldKind.NUMBER), Field(name="dest", kind=FieldKind.TEXT)),
    outputs=outputs_of(Task.REGRESSION),
)
CHANCES = SCHEMA.model_copy(update={"outputs": outputs_of(Task.CLASSIFICATION)})
HOURS = np.linspace(0.0, 23.0, ROWS)
DESTS = np.array(["LAX", "ORD"] * (ROWS // 2), dtype=object)
COLUMNS: Columns = {"hour": HOURS, "dest": DESTS}
CLASSES: dict[str, Any] = {"task": "classification", "train": {"estimator": "LogisticRegression", "metric": "log_loss"}}


def probe(ask: Callable[[Columns], Floats], schema: Schema = SCHEMA, **changes: Any) -> Probe:
    truth = changes.pop("truth", ask(COLUMNS))
    return Probe(schema=schema, columns=COLUMNS, truth=truth, ask=ask, sibling=ask, **changes)


def result(gate: dict[str, Any], given: Probe | None, *, classes: bool = False, **evidence: Any) -> GateResult:
    """As a spec says the gate."""
    (found,) = a_spec(gates=[gate], **(CLASSES if classes else {})).gates
    truth = np.zeros(ROWS) if given is None else given.truth
    rest: dict[str, Any] = {
        "answers": truth,
        "latency_ms_p99": 1.0,
        "artifact_bytes": 1,
        "round_trip_difference": 0.0,
    } | evidence
    rest.setdefault("truth", truth)
    return judge(found, Evidence(naive=truth, probe=given, **rest), np.random.default_rng(1))


def by_hour(columns: Columns) -> Floats:
    return 10.0 * np.nan_to_num(columns["hour"], nan=12.0)


def by_both(columns: Columns) -> Floats:
    return by_hour(columns) + np.where(columns["dest"] == "ORD", 30.0, 0.0)


# --- invariance ------------------------------------------------------------------------------------


def test_a_version_that_looks_away_from_a_column_is_invariant_to_it() -> None:
    found = result({"invariant_to": "dest"}, probe(by_hour))
    assert (found.gate, found.passed, found.value, found.limit) == ("invariant_to:dest", True, 0, 0)
    assert found.reason == "of 200 rows 0% move with dest, by up to 0, where 0% may"


def test_a_version_that_looks_at_it_is_refused_with_how_far_answers_move() -> None:
    found = result({"invariant_to": "dest"}, probe(by_both))
    assert (found.passed, found.value) == (False, 1)
    assert found.reason == "of 200 rows 100% move with dest, by up to 30, where 0% may"
    assert result({"invariant_to": "dest", "within": 30}, probe(by_both)).passed
    assert not result({"invariant_to": "dest", "within": 29}, probe(by_both)).passed


def test_so_many_rows_may_move_as_the_gate_allows() -> None:
    def late_only(columns: Columns) -> Floats:
        return by_hour(columns) + np.where((columns["dest"] == "ORD") & (HOURS > 21.9), 30.0, 0.0)

    found = result({"invariant_to": "dest", "at_most": "5%"}, probe(late_only))
    assert (found.passed, found.value) == (True, 0.05)
    assert not result({"invariant_to": "dest", "at_most": "4%"}, probe(late_only)).passed


def test_of_classes_a_label_has_to_change_unless_a_distance_is_named() -> None:
    def chance(columns: Columns) -> Floats:
        return np.where(columns["dest"] == "ORD", 0.4, 0.2)

    assert result({"invariant_to": "dest"}, probe(chance, CHANCES), classes=True).passed
    assert not result({"invariant_to": "dest", "within": 0.1}, probe(chance, CHANCES), classes=True).passed


def test_a_column_of_one_value_shows_nothing_and_so_never_passes() -> None:
    given = probe(by_hour)
    alike = dataclasses.replace(given, columns={"hour": HOURS, "dest": np.array(["LAX"] * ROWS, dtype=object)})
    found = result({"invariant_to": "dest"}, alike)
    assert (found.passed, found.value) == (False, None)
    assert found.reason == "dest has 1 different values in the holdout, so nothing can change"


# --- direction -------------------------------------------------------------------------------------


def test_answers_that_rise_with_a_number_pass_and_those_that_fall_are_refused() -> None:
    assert result({"rises_with": "hour"}, probe(by_hour)).passed
    found = result({"falls_with": "hour"}, probe(by_hour))
    assert (found.passed, found.value, found.limit) == (False, 1, 0)
    assert found.reason.startswith("of 200 rows the answer rises somewhere as hour rises in 100%, by up to ")


def test_one_step_the_wrong_way_is_enough() -> None:
    def dented(columns: Columns) -> Floats:
        hours = columns["hour"]
        return np.where((hours > 10) & (hours < 13), hours - 5, hours)

    assert result({"rises_with": "hour"}, probe(dented)).value == 1
    assert result({"rises_with": "hour", "within": 6}, probe(dented)).passed


def test_text_has_no_direction() -> None:
    found = result({"rises_with": "dest"}, probe(by_both))
    assert (found.passed, found.reason) == (False, "dest is text, which neither rises nor falls")


# --- missing inputs --------------------------------------------------------------------------------


def test_the_error_without_each_feature_in_turn_must_keep_its_limit() -> None:
    gate = {"missing": "each", "metric": "mae", "max": 60}
    found = result(gate, probe(by_both))
    assert (found.gate, found.passed) == ("missing", True)
    assert found.value == pytest.approx(np.abs(10 * HOURS - 120).mean())
    assert found.reason == f"mae {found.value:.6g} without hour, the worst of 2 features, within the limit 60"
    assert not result(gate | {"max": 50}, probe(by_both)).passed
    assert result({"missing": ["dest"], "metric": "mae", "max": 15}, probe(by_both)).value == 15


def test_a_version_that_cannot_be_asked_with_a_gap_is_refused_with_what_it_says() -> None:
    def strict(columns: Columns) -> Floats:
        if np.isnan(columns["hour"]).any():
            raise ValueError("hour must be there")
        return by_hour(columns)

    found = result({"missing": "each", "metric": "mae", "max": 1e9}, probe(strict))
    assert (found.passed, found.reason) == (False, "without hour it gives no answer: ValueError: hour must be there")


def test_of_classes_the_share_of_labels_that_flip_may_be_limited() -> None:
    def chance(columns: Columns) -> Floats:
        return np.where(np.nan_to_num(columns["hour"], nan=0.0) > 17.25, 0.9, 0.1)

    found = result({"missing": "each", "flips": "25%"}, probe(chance, CHANCES), classes=True)
    assert (found.passed, found.value) == (True, 0.25)
    assert found.reason == "25% of 200 labels flip without hour, the worst of 2 features, where 25% may"
    assert not result({"missing": "each", "flips": "20%"}, probe(chance, CHANCES), classes=True).passed


# --- replayed traffic ------------------------------------------------------------------------------


def recorded(answers: Floats) -> Recorded:
    return Recorded(COLUMNS, answers)


def test_recorded_decisions_are_asked_again_and_those_answered_otherwise_are_counted() -> None:
    champion = by_hour(COLUMNS)
    champion[-20:] += 100
    given = probe(by_hour, has_champion=True, recorded=recorded(champion))
    found = result({"replayed": 200, "at_most": "10%"}, given)
    assert (found.passed, found.value) == (True, 0.1)
    assert found.reason == "of 200 recorded decisions 10% would be answered otherwise, by up to 100, where 10% may"
    assert result({"replayed": "20 decisions"}, given).value == 1, "the newest are taken"
    assert result({"replayed": 20, "within": 100}, given).passed


def test_without_a_champion_there_is_nothing_to_replay_and_with_one_there_must_be() -> None:
    assert result({"replayed": 100}, probe(by_hour)).passed
    found = result({"replayed": 100}, probe(by_hour, has_champion=True))
    assert (found.passed, found.reason) == (False, "no recorded decision of the champion is at hand")


# --- fairness and calibration ----------------------------------------------------------------------

GROUPS = np.array(["a"] * 100 + ["b"] * 100, dtype=object)


def fair(gate: dict[str, Any], answers: Floats, truth: Floats | None = None) -> GateResult:
    wanted = {"fair_over": "origin", "max": "10%"} | gate
    known = np.zeros(ROWS) if truth is None else truth
    return result(wanted, None, classes=True, answers=answers, truth=known, slices={"origin": GROUPS})


def test_groups_that_are_labelled_alike_are_fair_and_others_are_not() -> None:
    alike = np.tile([0.9, 0.1], 100)
    assert fair({}, alike).value == 0
    found = fair({}, np.concatenate((np.tile([0.9, 0.1], 50), np.tile([0.9, 0.1, 0.1, 0.1], 25))))
    assert (found.passed, found.value, found.limit) == (False, 0.25, 0.1)
    assert found.reason == (
        "demographic parity difference 0.25 over 2 origin (50% of a are labelled 1, 25% of b), over the limit 0.1"
    )


def test_fairness_is_fairlearns() -> None:
    metrics = pytest.importorskip("fairlearn.metrics")
    chance = np.random.default_rng(4)
    answers, truth = chance.random(ROWS), (chance.random(ROWS) < 0.4).astype(np.float64)
    options = {"sensitive_features": GROUPS}
    for difference in ("demographic_parity", "equalized_odds"):
        expected = getattr(metrics, f"{difference}_difference")(truth, answers >= 0.5, **options)
        assert fair({"difference": difference}, answers, truth).value == pytest.approx(expected)


def test_one_group_alone_compares_with_nobody() -> None:
    found = fair({"min_rows": 150}, np.tile([0.9, 0.1], 100))
    assert (found.passed, found.value) == (False, None)
    assert found.reason.startswith("fewer than two origin have 150 holdout rows")


def test_chances_that_come_true_are_calibrated() -> None:
    answers = np.repeat([0.25, 0.75], 100)
    truth = np.concatenate((np.tile([1.0, 0, 0, 0], 25), np.tile([1.0, 1, 1, 0], 25)))
    good = result({"calibration_error": 0.05}, None, classes=True, answers=answers, truth=truth)
    assert good.passed
    assert good.value == pytest.approx(0, abs=0.002), "chances are counted in 256 bins"
    bad = result({"calibration_error": 0.05}, None, classes=True, answers=answers, truth=1 - truth)
    assert not bad.passed
    assert bad.value == pytest.approx(0.5, abs=0.002)
    assert bad.reason == f"calibration error {bad.value:.6g} over 200 rows, over the limit 0.05"


def test_chances_that_are_no_numbers_are_not_calibrated() -> None:
    answers = np.full(ROWS, np.nan)
    found = result({"calibration_error": 0.5}, None, classes=True, answers=answers, truth=np.zeros(ROWS))
    assert (found.passed, found.reason) == (False, "200 of 200 answers are no finite numbers")


# --- a process of its own --------------------------------------------------------------------------


def on_the_trained(gate: dict[str, Any]) -> GateResult:
    return result(gate, gather(trained(), None).probe)


def test_the_artifact_answers_alike_in_a_process_that_knows_nothing_of_the_training() -> None:
    found = on_the_trained({"clean_process": True})
    assert found.reason == "loaded afresh its answers to 40 rows differ by 0, within the limit 0"
    assert found.passed


def test_an_artifact_that_cannot_be_loaded_afresh_is_refused_with_the_reason() -> None:
    given = gather(trained(), None).probe
    assert given is not None
    cut = dataclasses.replace(given, artifact=given.artifact[:-100])
    found = result({"clean_process": True}, cut)
    assert not found.passed
    assert "artifact refused" in found.reason


OWN = """
import numpy as np


def test_it_answers_every_row(model, rows):
    assert len(model.predict(rows)) == len(rows["hour"])


def test_it_is_about_right(model, rows, truth):
    assert np.abs(model.predict(rows) - truth).mean() < {most}
"""


@pytest.fixture
def job_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, root: Path) -> Path:
    monkeypatch.syspath_prepend(str(root))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_an_owners_own_tests_are_run_against_the_packaged_version(job_folder: Path) -> None:
    (job_folder / "checks.py").write_text(OWN.format(most=30))
    found = on_the_trained({"tests": "checks.py"})
    assert (found.gate, found.passed, found.value) == ("tests:checks.py", True, 0)
    assert found.reason == "2 of 2 tests passed"


def test_what_they_assert_is_the_reason_of_the_refusal(job_folder: Path) -> None:
    (job_folder / "checks.py").write_text(OWN.format(most="0.001"))
    found = on_the_trained({"tests": "checks.py"})
    assert (found.passed, found.value) == (False, 1)
    assert found.reason.startswith("1 of 2 tests passed; test_it_is_about_right: AssertionError: assert ")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("import nothing_of_this_name\n", "0 of 1 tests passed; checks.py: "),
        ("VALUE = 1\n", "checks.py has no test that ran"),
        ("import os\n\n\ndef test_gone():\n    os._exit(3)\n", "its process ended with 3 before the tests did"),
        ("import time\n\n\ndef test_slow():\n    time.sleep(600)\n", "its process took more than 5 s and was ended"),
        (None, "no file checks.py in "),
    ],
    ids=["an import fails", "no tests", "it ends its process", "it takes too long", "no file"],
)
def test_tests_that_did_not_run_never_pass(text: str | None, reason: str, job_folder: Path) -> None:
    if text is not None:
        (job_folder / "checks.py").write_text(text)
    found = on_the_trained({"tests": "checks.py", "timeout": "5s" if "sleep" in (text or "") else "2m"})
    assert not found.passed
    assert found.reason.startswith(reason)


def test_the_process_of_the_tests_has_no_credential_of_this_one(
    job_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VENDOR_KEY", "a made-up secret")
    (job_folder / "checks.py").write_text(
        "import os\n\n\ndef test_no_secret():\n    assert 'VENDOR_KEY' not in os.environ\n"
    )
    assert on_the_trained({"tests": "checks.py"}).passed


# --- in a spec and a report ------------------------------------------------------------------------

EVERY: list[dict[str, Any]] = [
    {"invariant_to": "dest", "within": 1000},
    {"rises_with": "hour", "within": 1000},
    {"falls_with": "hour", "within": 1000},
    {"missing": "each", "metric": "mae", "max": 1000},
    {"replayed": 100},
]


def test_a_trained_model_is_asked_by_every_gate_of_its_spec() -> None:
    report = evaluate(a_spec(gates=EVERY), trained(), None)
    assert report.passed, report.failures
    assert len({gate.gate for gate in report.gates}) == len(EVERY)
    again = a_spec(gates=EVERY)
    assert Spec.model_validate(again.as_document()) == again


def test_a_champion_that_was_asked_lately_is_replayed() -> None:
    model = trained()
    columns = model.holdout.rows.columns
    asked = Recorded(columns, model.predictor.predict(columns))
    report = evaluate(a_spec(gates=[{"replayed": 30}]), model, model.predictor, asked)
    assert report.passed
    assert report.gates[0].reason.startswith("of 30 recorded decisions 0% would be answered otherwise")


@pytest.mark.parametrize(
    ("gate", "reason"),
    [
        ({"invariant_to": "colour"}, "got colour; expected names among data.features"),
        ({"missing": ["hour", "colour"], "metric": "mae", "max": 1}, "got colour; expected names among data.features"),
        ({"missing": "each", "metric": "mae"}, "expected the limit of mae"),
        ({"missing": "each", "metric": "mae", "min": 0.5}, "max, since less mae is better"),
        ({"missing": "each"}, "either a metric with its limit, or flips"),
        ({"missing": "each", "flips": "5%"}, "got flips in a regression"),
        ({"fair_over": "dest", "max": "10%"}, "got a regression; expected fair_over only in a classification of two"),
        ({"calibration_error": 0.1}, "got a regression; expected calibration_error only in a classification of two"),
        ({"tests": "/etc/passwd"}, "expected a path inside the folder that travels with the job"),
        ({"clean_process": False}, "clean_process"),
        ({"rises_with": "hour", "within": -1}, "within"),
        ({"colour": "red"}, "expected a gate: metric with max or min, better_than"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_gate_that_is_not_for_such_a_model_is_named(gate: dict[str, Any], reason: str, tmp_path: Path) -> None:
    import yaml

    from runtime.domain.load import parse_spec

    document = SPEC.as_document() | {"gates": [gate]}
    with pytest.raises(SpecError) as refused:
        parse_spec(yaml.safe_dump(document))
    assert reason.removeprefix("expected ") in str(refused.value)
    assert "gates[0]" in str(refused.value)
