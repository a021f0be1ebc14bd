"""A package brings what tells the performance before outcomes, from predictions that no model was trained on."""

import json

import numpy as np
import pytest

from runtime.monitoring.baseline import Baseline
from runtime.pipeline.package import baseline_document
from tests.unit.pipeline.flights import a_spec, trained
from tests.unit.pipeline.test_classification import made

SLICED = a_spec(monitor={"slices": ["dest"]}).monitor


def test_a_regressions_own_rows_are_expected_to_err_as_they_did() -> None:
    baseline = Baseline.from_document(json.loads(json.dumps(baseline_document(trained(), SLICED))))
    assert baseline.estimator is not None
    rows, predictions = trained().honest
    found = baseline.estimator.expected(baseline.estimator.count(predictions))
    assert found["mae"].value == pytest.approx(np.abs(predictions - rows.target).mean())
    assert found["rmse"].value == pytest.approx(np.sqrt(np.square(predictions - rows.target).mean()))
    dest = baseline.slices["dest"]
    assert dest.rows.sum() == len(rows)
    first = rows.columns["dest"] == dest.values.labels[0]
    assert dest.errors[0] == pytest.approx(np.abs(predictions - rows.target)[first].mean())
    assert baseline.as_document()["losses"] == baseline_document(trained())["losses"]


def test_a_classifiers_own_rows_are_expected_to_be_right_as_often_as_they_were() -> None:
    baseline = Baseline.from_document(json.loads(json.dumps(baseline_document(made("cells")))))
    assert baseline.estimator is not None
    _, predictions = made("cells").honest
    found = baseline.estimator.expected(baseline.estimator.count(predictions))["accuracy"]
    assert baseline.performance.accuracy is not None
    assert found.low <= baseline.performance.accuracy <= found.high
    assert found.value == pytest.approx(baseline.performance.accuracy, abs=0.02)
