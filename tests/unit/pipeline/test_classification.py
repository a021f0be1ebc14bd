"""Classifiers on real data go the whole way: classes named by the spec, metrics with their direction, a package."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from examples.classes.data import cells, wines
from runtime.domain.errors import DataError, SpecError
from runtime.domain.load import load_spec, parse_spec
from runtime.domain.reports import EvaluationReport
from runtime.domain.spec import Spec
from runtime.flavors import load, outputs
from runtime.flavors.outputs import scores
from runtime.monitoring.baseline import Baseline
from runtime.pipeline.evaluate import evaluate
from runtime.pipeline.package import baseline_document
from runtime.pipeline.plan import Plan
from runtime.pipeline.train import TrainedModel
from runtime.pipeline.trial import Score, score
from tests.unit.pipeline.making import arranged, made_of

FOLDER = Path(__file__).resolve().parents[3] / "examples" / "classes"
FRAMES = {"cells": cells, "wines": wines}


def spec_of(name: str, *changes: tuple[str, str]) -> Spec:
    text = (FOLDER / f"{name}.yaml").read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return parse_spec(text)


@cache
def made(name: str) -> TrainedModel:
    """The example's model; the same one to every test, so it must not be changed."""
    return made_of(load_spec(FOLDER / f"{name}.yaml"), FRAMES[name]())


def judged(name: str, *changes: tuple[str, str]) -> EvaluationReport:
    return evaluate(spec_of(name, *changes), made(name), load(made(name).artifact))


@pytest.mark.parametrize("name", ["cells", "wines"])
def test_a_classifier_of_real_data_passes_its_gates_and_comes_back_from_its_artifact(name: str) -> None:
    spec, trained = spec_of(name), made(name)
    report = evaluate(spec, trained, None)
    assert report.passed, report.failures
    again = load(trained.artifact)
    assert again.schema.classes == spec.classes
    columns = trained.holdout.rows.columns
    assert np.array_equal(again.predict(columns), trained.predictor.predict(columns))
    assert np.array_equal(scores(again, columns), scores(trained.predictor, columns))


def test_two_named_classes_answer_the_probability_of_the_second() -> None:
    trained = made("cells")
    assert [field.name for field in trained.predictor.schema.outputs] == ["probability", "label"]
    is_malignant = cells().finding.to_numpy() == "malignant"
    assert np.array_equal(trained.window.target == 1, is_malignant)
    found = outputs(trained.predictor.schema, trained.predictor.predict(trained.window.columns))
    assert np.mean(found["label"] == is_malignant) > 0.9


def test_more_classes_answer_the_most_probable_ones_number() -> None:
    trained = made("wines")
    assert [field.name for field in trained.predictor.schema.outputs] == ["label"]
    chances = scores(trained.predictor, trained.holdout.rows.columns)
    assert chances.shape == (len(trained.holdout.rows), 3)
    assert chances.sum(axis=1) == pytest.approx(1)
    assert np.array_equal(trained.predictor.predict(trained.holdout.rows.columns), chances.argmax(axis=1))
    assert trained.predictor.predict({name: column[:0] for name, column in trained.window.columns.items()}).shape == (
        0,
    )


def test_a_report_says_every_metric_and_what_looks_at_no_column_reaches() -> None:
    for name in FRAMES:
        metrics = evaluate(spec_of(name), made(name), None).metrics
        for metric in ("roc_auc", "accuracy", "f1"):
            assert metrics["baseline_" + metric] < metrics[metric] <= 1
        for metric in ("log_loss", "brier"):
            assert metrics[metric] < metrics["baseline_" + metric]
        assert metrics["baseline_roc_auc"] == pytest.approx(0.5)
        assert metrics["cross_validation_log_loss"] < metrics["baseline_log_loss"]


@pytest.mark.parametrize("metric", ["log_loss", "brier", "roc_auc", "accuracy", "f1"])
def test_every_metric_is_searched_for_as_an_error(metric: str) -> None:
    spec = spec_of("cells", ("metric: log_loss}\ngates", f"metric: {metric}}}\ngates"))
    layout, rows = arranged(spec, cells())
    good, bad = (
        score(spec, layout.schema, "m", rows, {"C": c, "max_iter": 1000}, Plan.first(spec)) for c in (1.0, 1e-6)
    )
    assert isinstance(good, Score)
    assert isinstance(bad, Score)
    assert good.value < bad.value


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("{metric: roc_auc, min: 0.9}", "{metric: roc_auc, min: 1.0}", "under the limit 1"),
        ("{metric: brier, max: 0.1}", "{metric: brier, max: 0.001}", "over the limit 0.001"),
        ("{better_than: champion, metric: roc_auc}", "{better_than: champion, metric: f1}", "1 - f1 "),
    ],
)
def test_a_gate_refuses_on_the_right_side_of_its_limit(old: str, new: str, reason: str) -> None:
    """The champion is the version itself, which is no better than itself."""
    failures = judged("cells", (old, new)).failures
    assert any(reason in gate.reason for gate in failures), failures


def test_a_champion_that_ranks_worse_is_beaten_whatever_the_metric() -> None:
    layout, _ = arranged(spec_of("cells"), cells())
    poor = made_of(spec_of("cells", ('C: "loguniform(0.1, 10)"', "C: 0.0001")), cells())
    assert poor.predictor.schema == layout.schema
    for metric in ("log_loss", "brier", "accuracy", "f1"):
        spec = spec_of(
            "cells", ("{better_than: champion, metric: roc_auc}", f"{{better_than: champion, metric: {metric}}}")
        )
        report = evaluate(spec, made("cells"), load(poor.artifact))
        (gate,) = [each for each in report.gates if each.gate == "better_than:champion"]
        assert gate.passed, gate.reason
        assert report.comparison is not None
        assert report.comparison.difference < 0


def test_a_champion_of_other_classes_is_not_compared() -> None:
    with pytest.raises(DataError, match="its champion answers a, b, c, which cannot be compared"):
        evaluate(spec_of("cells"), made("cells"), load(made("wines").artifact))


@pytest.mark.parametrize("name", ["cells", "wines"])
def test_a_baseline_counts_answers_by_outcome_and_comes_back_the_same(name: str) -> None:
    document = json.loads(json.dumps(baseline_document(made(name))))
    baseline = Baseline.from_document(document)
    assert baseline.as_document() == document
    told = baseline.performance
    rows, predictions = made(name).honest
    right = (predictions >= 0.5) == rows.target if name == "cells" else predictions.argmax(axis=1) == rows.target
    assert told.metrics["accuracy"] == pytest.approx(float(right.mean()))
    assert told.rows == len(rows)


@pytest.mark.parametrize("trainer", ["xgboost:XGBClassifier", "lightgbm:LGBMClassifier"])
def test_boosters_tell_three_classes_apart(trainer: str) -> None:
    flavor, estimator = trainer.split(":")
    train = f"{{trainer: {flavor}, estimator: {estimator}, search: {{n_estimators: 20}}, metric: accuracy}}"
    text = (FOLDER / "wines.yaml").read_text()
    start = text.index("train: ") + len("train: ")
    spec = parse_spec(text[:start] + train + text[text.index("\n", start) :])
    trained = made_of(spec, wines())
    chances = scores(load(trained.artifact), trained.holdout.rows.columns)
    assert np.array_equal(chances, scores(trained.predictor, trained.holdout.rows.columns))
    assert evaluate(spec, trained, None).metrics["accuracy"] > 0.8


def frame_with(**columns: Any) -> pd.DataFrame:
    return wines().assign(**columns)


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (frame_with(grower="a"), "class 'b' does not occur in the 37 rows of a fit; each class must"),
        (frame_with(grower="d"), "target 'grower' is none of the classes a, b, c in 178 rows, such as 'd'"),
        (frame_with(grower=None), "grower"),
        (frame_with(grower=np.arange(178.0)), "such as '0'"),
        (frame_with(grower=pd.Timestamp("2026-01-01")), "such as '2026-01-01"),
    ],
)
def test_a_target_that_holds_no_classes_is_named(frame: pd.DataFrame, reason: str) -> None:
    with pytest.raises(DataError) as refused:
        made_of(spec_of("wines"), frame)
    assert reason in str(refused.value)


def test_a_target_of_whole_numbers_or_of_categories_names_its_classes_too() -> None:
    numbered = spec_of("wines", ("classes: [a, b, c]", "classes: [1, 2, 3]"))
    grower = wines().grower
    rows = arranged(numbered, frame_with(grower=grower.map({"a": 1, "b": 2, "c": 3})))[1]
    other = arranged(spec_of("wines"), frame_with(grower=grower.astype("category")))[1]
    assert np.array_equal(rows.target, other.target)


@pytest.mark.parametrize(
    ("name", "old", "new", "error"),
    [
        (
            "cells",
            "{metric: roc_auc, min: 0.9}",
            "{metric: roc_auc, max: 0.9}",
            "gates[2].max: got 0.9; expected min, since",
        ),
        (
            "cells",
            "{metric: brier, max: 0.1}",
            "{metric: brier, min: 0.1}",
            "gates[3].min: got 0.1; expected max, since",
        ),
        (
            "cells",
            "{metric: brier, max: 0.1}",
            "{metric: mae, max: 0.1}",
            "gates[3].metric: got 'mae'; expected log_loss",
        ),
        ("cells", ", metric: roc_auc}", "}", "gates[1].metric: got nothing; expected log_loss"),
        ("cells", "metric: log_loss}\ngates", "metric: rmse}\ngates", "train.metric: got 'rmse'; expected log_loss"),
        ("cells", "[benign, malignant]", "[benign, benign]", "classes: got benign, benign; expected distinct names"),
        ("cells", "[benign, malignant]", "[benign]", "classes: got ['benign']; expected at least 2 in the list"),
        ("cells", "[benign, malignant]", "[yes, no]", "classes[0]: got True; expected a class's name as text"),
        ("cells", "task: classification", "task: regression", "expected"),
    ],
)
def test_what_does_not_fit_a_classification_is_named_by_its_place(name: str, old: str, new: str, error: str) -> None:
    with pytest.raises(SpecError) as refused:
        spec_of(name, (old, new))
    assert error in str(refused.value)
