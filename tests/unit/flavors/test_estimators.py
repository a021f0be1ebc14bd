"""An estimator is asked for by name; what cannot be built is named together with what is close to it."""

from typing import Any

import numpy as np
import pytest
from sklearn.pipeline import Pipeline

from runtime.domain.errors import SpecError
from runtime.flavors.estimators import check_weights, make_estimator, weight_arguments
from tests.unit.flavors.boosters import BOOSTER


def test_an_unknown_estimator_is_named_with_what_is_close() -> None:
    with pytest.raises(SpecError) as refused:
        make_estimator("HistGradientBoostRegressor", {}, seed=1)
    assert (refused.value.path, refused.value.value) == ("train.estimator", "'HistGradientBoostRegressor'")
    assert "did you mean HistGradientBoostingRegressor" in refused.value.expected


def test_an_estimator_like_no_other_gets_no_suggestion() -> None:
    with pytest.raises(SpecError) as refused:
        make_estimator("qqq", {}, seed=1)
    assert refused.value.expected == "a regressor of scikit-learn"


def test_a_classifier_is_no_regressor() -> None:
    with pytest.raises(SpecError, match="'LogisticRegression'; expected a regressor of scikit-learn"):
        make_estimator("LogisticRegression", {}, seed=1)


def test_an_unknown_parameter_is_named_with_what_is_close() -> None:
    with pytest.raises(SpecError) as refused:
        make_estimator(BOOSTER, {"learning_rte": 0.1}, seed=1)
    assert (refused.value.path, refused.value.value) == ("train.search.learning_rte", "'learning_rte'")
    assert refused.value.expected == f"a parameter of {BOOSTER}; did you mean learning_rate?"


def test_a_regressor_made_of_others_is_refused() -> None:
    with pytest.raises(SpecError, match="a regressor that needs no other estimator"):
        make_estimator("VotingRegressor", {}, seed=1)


def test_the_seed_is_the_specs_unless_a_parameter_says_otherwise() -> None:
    assert make_estimator(BOOSTER, {}, seed=2013).random_state == 2013
    assert make_estimator(BOOSTER, {"random_state": 7}, seed=2013).random_state == 7
    assert make_estimator("KNeighborsRegressor", {"n_neighbors": 3}, seed=2013)["regress"].n_neighbors == 3


def test_an_estimator_that_takes_gaps_stands_alone() -> None:
    assert type(make_estimator(BOOSTER, {}, seed=1)).__name__ == BOOSTER


def test_an_estimator_that_takes_no_gaps_stands_behind_an_imputer_and_a_scaler() -> None:
    pipeline = make_estimator("Ridge", {"alpha": 2.0}, seed=1)
    assert isinstance(pipeline, Pipeline)
    assert list(pipeline.named_steps) == ["impute", "scale", "regress"]
    assert pipeline["regress"].alpha == 2.0
    rows = np.array([[0.0], [1.0], [np.nan], [3.0]])
    predicted = pipeline.fit(rows, np.array([0.0, 1.0, 5.0, 3.0])).predict(rows)
    assert predicted[2] == predicted[1], "a gap counts as the median, which is 1"


def test_a_linear_model_does_not_go_on_beyond_what_it_saw() -> None:
    rows = np.arange(10.0).reshape(-1, 1)
    pipeline = make_estimator("Ridge", {}, seed=1).fit(rows, rows[:, 0])
    assert pipeline.predict([[1000.0]]) == pipeline.predict([[9.0]])


@pytest.mark.parametrize("name", ["KNeighborsRegressor", "GaussianProcessRegressor"])
def test_an_estimator_without_weights_is_refused_by_the_name_of_the_setting(name: str) -> None:
    with pytest.raises(SpecError) as refused:
        check_weights(make_estimator(name, {}, seed=1), name)
    assert (refused.value.path, refused.value.value) == ("retrain.half_life", repr(name))
    assert refused.value.expected == "an estimator that takes weights of rows, or no half_life"


@pytest.mark.parametrize("name", [BOOSTER, "Ridge"])
def test_weights_reach_the_estimator(name: str) -> None:
    estimator = make_estimator(name, {}, seed=1)
    check_weights(estimator, name)
    rows, target = np.zeros((40, 1)), np.repeat([0.0, 10.0], 20)
    weights = np.repeat([3.0, 1.0], 20)
    fitted = estimator.fit(rows, target, **weight_arguments(estimator, weights))
    assert fitted.predict([[0.0]]) == pytest.approx([2.5])


@pytest.mark.parametrize(("name", "argument"), [(BOOSTER, "sample_weight"), ("Ridge", "regress__sample_weight")])
def test_weights_are_an_argument_only_if_there_are_any(name: str, argument: str) -> None:
    estimator: Any = make_estimator(name, {}, seed=1)
    assert list(weight_arguments(estimator, np.ones(2))) == [argument]
    assert weight_arguments(estimator, None) == {}
