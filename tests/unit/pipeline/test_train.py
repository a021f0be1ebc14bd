"""A model is only ever judged on rows it was not trained on."""

from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from runtime.domain.errors import SpecError, TooFewRows
from runtime.flavors import load
from runtime.flavors.sklearn import SklearnPredictor
from runtime.pipeline.plan import Plan
from runtime.pipeline.rows import Rows
from runtime.pipeline.train import TrainedModel, cross_validate, fit, folds_of, train_model
from tests.unit.domain.lives import MODEL, MONDAY
from tests.unit.pipeline.flights import PARAMETERS, PARTITION, SPEC, a_spec, frame, fresh, layout, rows_of, trained

SCHEMA = layout().schema
FIRST = Plan.first(SPEC)
ROWS = rows_of(frame(200))
AS_OF = MONDAY + timedelta(days=25)


@pytest.mark.parametrize("folds", [2, 3, 10])
@pytest.mark.parametrize("rows", [22, 100, 157])
def test_folds_follow_each_other_and_test_only_what_comes_after_their_training(rows: int, folds: int) -> None:
    found = folds_of(rows, folds)
    assert len(found) == folds
    assert found[0][0] > 0
    assert all(0 < end < stop for end, stop in found)
    assert [end for end, _ in found[1:]] == [stop for _, stop in found[:-1]]
    assert found[-1][1] == rows


def broken_from(at: int) -> Rows:
    """Targets are another world from this row on."""
    target = ROWS.target.copy()
    target[at:] += 1000
    return Rows(ROWS.time, target, ROWS.columns, ROWS.slices)


def test_a_fold_knows_nothing_of_the_rows_it_is_tested_on() -> None:
    folds = folds_of(len(ROWS), SPEC.train.folds)
    honest = cross_validate(SPEC, SCHEMA, ROWS, PARAMETERS, FIRST).out_of_fold
    assert np.isnan(honest[: folds[0][0]]).all()
    assert np.isfinite(honest[folds[0][0] :]).all()
    for end, stop in folds:
        changed = cross_validate(SPEC, SCHEMA, broken_from(end), PARAMETERS, FIRST).out_of_fold
        assert np.array_equal(changed[:stop], honest[:stop], equal_nan=True)


def test_each_fold_is_predicted_by_a_fit_of_the_rows_before_it() -> None:
    found = cross_validate(SPEC, SCHEMA, ROWS, PARAMETERS, FIRST)
    for end, stop in folds_of(len(ROWS), SPEC.train.folds):
        expected = fit(SPEC, SCHEMA, ROWS.part(0, end), PARAMETERS, FIRST).predict(ROWS.part(end, stop).columns)
        assert np.array_equal(found.out_of_fold[end:stop], expected)
    first = folds_of(len(ROWS), SPEC.train.folds)[0][0]
    assert found.score == pytest.approx(np.abs(found.out_of_fold - ROWS.target)[first:].mean())


def test_the_judged_sibling_never_saw_the_holdout() -> None:
    assert np.array_equal(fresh(SPEC, broken_from(160)).holdout.predictions, trained().holdout.predictions)
    assert np.array_equal(trained().holdout.rows.time, ROWS.time[160:])
    assert trained().holdout.naive == np.median(ROWS.target[:160])


def test_days_that_alternate_are_held_out_as_truly() -> None:
    spec = a_spec(retrain={"holdout": {"every": 2, "of_last": "10d"}})
    plan = Plan.challenger(spec, AS_OF)
    honest = fresh(spec, ROWS, plan)
    judging = np.isin(ROWS.time, honest.holdout.rows.time)
    target = np.where(judging, ROWS.target + 1000, ROWS.target)
    changed = fresh(spec, Rows(ROWS.time, target, ROWS.columns, ROWS.slices), plan)
    assert np.array_equal(changed.holdout.predictions, honest.holdout.predictions)
    assert (honest.first_time, honest.last_time) == (ROWS.first_time, ROWS.last_time)


def test_honest_predictions_are_out_of_fold_and_then_the_siblings() -> None:
    rows, predictions = trained().honest
    start = folds_of(160, SPEC.train.folds)[0][0]
    assert np.array_equal(rows.time, ROWS.time[start:])
    assert np.array_equal(predictions[160 - start :], trained().holdout.predictions)
    assert np.isfinite(predictions).all()
    seen = np.abs(trained().predictor.predict(rows.columns) - rows.target).mean()
    assert np.abs(predictions - rows.target).mean() > seen, "on its own training rows a model errs less"


def predicts_as(model: TrainedModel, rows: Rows) -> bool:
    expected = fit(SPEC, SCHEMA, rows, PARAMETERS, FIRST).predict(ROWS.columns)
    return np.array_equal(model.predictor.predict(ROWS.columns), expected)


def test_what_is_served_is_fitted_on_all_rows() -> None:
    assert predicts_as(trained(), ROWS)


def test_without_refit_what_is_served_is_the_sibling_that_was_judged() -> None:
    sibling = fresh(a_spec(retrain={"refit": False}), ROWS)
    assert predicts_as(sibling, ROWS.part(0, 160))
    assert np.array_equal(sibling.predictor.predict(ROWS.part(160, 200).columns), sibling.holdout.predictions)


def test_the_same_rows_and_parameters_are_the_same_bytes() -> None:
    assert fresh(SPEC, ROWS).artifact == trained().artifact
    predicted = load(trained().artifact).predict(ROWS.columns)
    assert np.array_equal(predicted, trained().predictor.predict(ROWS.columns))


def test_a_candidate_that_was_found_by_a_search_is_not_validated_again() -> None:
    found = cross_validate(SPEC, SCHEMA, ROWS.part(0, 160), PARAMETERS, FIRST)
    model = train_model(SPEC, SCHEMA, MODEL, PARTITION, ROWS, found, FIRST)
    assert model.candidate is found
    assert model.artifact == trained().artifact
    assert model.parameters == PARAMETERS


def test_old_rows_count_less_with_a_half_life() -> None:
    """A world that changed ten days ago: who forgets is closer to what it is now."""
    rows = broken_from(120)

    def now(**retrain: Any) -> float:
        spec = a_spec(retrain=retrain, train={"estimator": "Ridge"})
        model = fit(spec, SCHEMA, rows, {}, Plan.challenger(spec, AS_OF))
        return float(np.abs(model.predict(rows.part(190, 200).columns) - rows.target[190:]).mean())

    assert now(half_life="2d") < now() / 5


def test_a_column_that_is_empty_before_the_first_fold_ends_is_no_reason_to_fail() -> None:
    hour = ROWS.columns["hour"].copy()
    hour[:60] = np.nan
    model = fresh(SPEC, Rows(ROWS.time, ROWS.target, {**ROWS.columns, "hour": hour}, ROWS.slices))
    assert np.isfinite(model.honest[1]).all()
    assert isinstance(model.predictor, SklearnPredictor)
    assert model.predictor.encoding.columns == ("hour", "dest")


def test_an_unknown_parameter_is_refused_by_name() -> None:
    with pytest.raises(SpecError, match=r"'max_itr'; expected a parameter of .* did you mean max_iter"):
        train_model(SPEC, SCHEMA, MODEL, PARTITION, ROWS, {"max_itr": 3}, FIRST)


def test_too_few_rows_are_refused_by_the_models_name() -> None:
    with pytest.raises(TooFewRows, match=f"{MODEL}: 9 rows"):
        fresh(SPEC, rows_of(frame(9)))
