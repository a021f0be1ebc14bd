"""What a search tries, how a space is checked, and that the same spec, data and seed give the same artifact."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from runtime.domain.errors import SpecError
from runtime.domain.ids import digest_of
from runtime.domain.terms import SearchTerm
from runtime.pipeline.plan import Plan
from runtime.pipeline.search import check_search, load_checked
from runtime.pipeline.train import Candidate, cross_validate, train_model
from runtime.pipeline.trial import Score, best_of, samples, score
from tests.unit.domain.lives import MODEL
from tests.unit.pipeline.flights import PARTITION, SPEC, a_spec, frame, layout, rows_of

ROWS = rows_of(frame(200))
RIDGE: dict[str, Any] = {"estimator": "Ridge", "search": {"alpha": "loguniform(0.1, 100)"}, "trials": 4}


# --- what is tried ---------------------------------------------------------------------------------


def test_samples_hang_on_the_seed_alone_and_lie_in_their_ranges() -> None:
    search = {"a": "uniform(2, 3)", "b": "loguniform(0.01, 1)", "c": "randint(1, 4)", "d": ["x", "y"], "e": 7}
    train = {"estimator": "Ridge", "search": search, "trials": 300}
    drawn = samples(a_spec(train=train | {"seed": 5}))
    assert drawn == samples(a_spec(train=train | {"seed": 5})) != samples(a_spec(train=train | {"seed": 6}))
    assert all(2 <= each["a"] < 3 and 0.01 <= each["b"] <= 1 and each["e"] == 7 for each in drawn)
    assert {each["c"] for each in drawn} == {1, 2, 3}
    assert {each["d"] for each in drawn} == {"x", "y"}
    middle = np.median([math.log(each["b"]) for each in drawn])
    assert middle == pytest.approx(math.log(0.1), abs=0.4), "half of a loguniform lies below the geometric mean"


def test_no_sample_is_tried_twice() -> None:
    train = {"estimator": "Ridge", "search": {"alpha": [1.0, 2.0]}, "trials": 20}
    assert sorted(each["alpha"] for each in samples(a_spec(train=train))) == [1.0, 2.0]


def test_every_model_takes_the_best_sample_and_the_first_of_equals() -> None:
    spec, plan = a_spec(train=RIDGE), Plan.first(SPEC)
    drawn = samples(spec)
    best = best_of(spec, layout().schema, MODEL, ROWS, drawn, plan)
    found = [score(spec, layout().schema, MODEL, ROWS, each, plan) for each in drawn]
    values = [each.value for each in found if isinstance(each, Score)]
    assert isinstance(best, Candidate)
    assert (best.score, best.parameters) == (min(values), drawn[values.index(min(values))])


def test_a_sample_that_fails_costs_itself_and_where_all_fail_the_first_says_why() -> None:
    train = {"estimator": "Ridge", "search": {"solver": ["svd", "auto"], "positive": True}}
    spec, plan = a_spec(train=train), Plan.first(SPEC)
    bad, good = {"solver": "svd", "positive": True}, {"solver": "auto", "positive": True}
    best = best_of(spec, layout().schema, MODEL, ROWS, [bad, good], plan)
    assert isinstance(best, Candidate)
    assert best.parameters == good
    failed = best_of(spec, layout().schema, MODEL, ROWS, [bad], plan)
    assert isinstance(failed, str)
    assert "svd" in failed
    assert failed.endswith("(with solver svd, positive True)")


def test_fold_by_fold_is_the_same_as_all_at_once_and_fits_none_twice() -> None:
    spec, plan, schema = a_spec(train=RIDGE), Plan.first(SPEC), layout().schema
    whole = cross_validate(spec, schema, ROWS, {"alpha": 1.0}, plan)
    part = cross_validate(spec, schema, ROWS, {"alpha": 1.0}, plan, folds=1)
    for folds in range(2, spec.train.folds + 1):
        part = cross_validate(spec, schema, ROWS, {"alpha": 1.0}, plan, folds=folds, known=part.out_of_fold)
    assert np.array_equal(part.out_of_fold, whole.out_of_fold, equal_nan=True)
    assert part.score == whole.score
    marked = part.out_of_fold.copy()
    marked[~np.isnan(marked)] = 1e6
    again = cross_validate(spec, schema, ROWS, {"alpha": 1.0}, plan, known=marked)
    assert np.nanmin(again.out_of_fold) == 1e6, "what is known was taken as it is"


# --- what a spec may ask for -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("train", "error"),
    [
        ({"estimator": "Rigde"}, "train.estimator: got 'Rigde'; expected a regressor of scikit-learn"),
        (
            {"estimator": "Ridge", "search": {"alhpa": 1.0}},
            "train.search.alhpa: got 'alhpa'; expected a parameter of Ridge; did you mean alpha?",
        ),
        (
            {"estimator": "Ridge", "search": {"alpha": "uniform(-1, 1)"}},
            "train.search.alpha: got -1.0; expected a float in the range [0.0, inf) or an array-like in Ridge",
        ),
        (
            {"estimator": "HistGradientBoostingRegressor", "search": {"max_iter": "uniform(10, 20)"}},
            "train.search.max_iter: got 10.0; expected an int in the range [1, inf) in HistGradientBoostingRegressor",
        ),
        (
            {"trainer": "xgboost", "estimator": "XGBRegressor", "search": {"eta_max": 1}},
            "train.search.eta_max: got 'eta_max'; expected a parameter of XGBRegressor",
        ),
    ],
)
def test_an_estimator_or_space_that_does_not_fit_is_named_with_its_line(
    train: dict[str, Any], error: str, tmp_path: Path
) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text(yaml.safe_dump(SPEC.as_document() | {"train": train}, sort_keys=False))
    with pytest.raises(SpecError) as refused:
        load_checked(path)
    assert refused.value.line is not None
    wanted = error.partition(":")[0].rpartition(".")[2]
    assert wanted in path.read_text().splitlines()[refused.value.line - 1]
    assert str(refused.value).startswith(f"{path}:{refused.value.line}: {error}")


@pytest.mark.parametrize(
    ("train", "reason"),
    [
        ({"search": {"alpha": 1.0}, "search_by": "bayesian"}, "search_by: got 'bayesian'; expected a parameter in"),
        ({"search": {"alpha": 1.0}, "early_stopping": "asha"}, "a parameter in search that can take several"),
        ({"search": {"alpha": [1, 2]}, "search_by": "luck"}, "search_by: got 'luck'; expected 'random' or 'bayesian'"),
        ({"search": {"alpha": [1, 2]}, "fit_on": {"cpus": 0}}, "fit_on.cpus"),
        ({"search": {"alpha": [1, 2]}, "fit_on": {"memory": "much"}}, "expected a size such as 512MiB or 2GB"),
        ({"own": {"function": "a.b:c"}}, "own: got a section; expected no section own with trainer sklearn"),
    ],
)
def test_a_search_that_cannot_be_is_named(train: dict[str, Any], reason: str) -> None:
    from runtime.domain.load import parse_spec

    document = SPEC.as_document() | {"train": {"estimator": "Ridge"} | train}
    with pytest.raises(SpecError) as refused:
        parse_spec(yaml.safe_dump(document))
    assert reason.removeprefix("expected ") in str(refused.value)


def test_what_a_fit_reserves_is_what_ray_is_told() -> None:
    spec = a_spec(train=RIDGE | {"fit_on": {"cpus": 2, "gpus": 0.5, "memory": "1GiB"}})
    assert spec.train.reserved.options == {"num_cpus": 2, "num_gpus": 0.5, "memory": 1 << 30}
    assert a_spec(train=RIDGE).train.reserved.options == {"num_cpus": 1}
    assert "fit_on" not in a_spec(train=RIDGE).as_document()["train"]


def test_the_ends_of_a_term_stand_for_all_it_may_take() -> None:
    ends = [SearchTerm.model_validate(text).ends for text in ("randint(2, 9)", "uniform(0, 1)", [1, "x"], 5)]
    assert ends == [(2, 8), (0.0, 1.0), (1, "x"), (5,)]


def test_bayesian_search_needs_optuna_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = a_spec(train=RIDGE | {"search_by": "bayesian"})
    check_search(spec)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SpecError, match="random, since optuna is not installed here"):
        check_search(spec)


# --- the same again --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("trainer", "estimator", "search"),
    [
        ("sklearn", "Ridge", {"alpha": "loguniform(0.1, 100)"}),
        ("sklearn", "RandomForestRegressor", {"n_estimators": [5, 10]}),
        ("sklearn", "HistGradientBoostingRegressor", {"learning_rate": "uniform(0.05, 0.3)", "max_iter": 10}),
        ("xgboost", "XGBRegressor", {"n_estimators": 10, "subsample": "uniform(0.5, 1)"}),
        ("lightgbm", "LGBMRegressor", {"n_estimators": 10, "subsample": "uniform(0.5, 1)", "subsample_freq": 1}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_same_spec_data_and_seed_give_the_same_artifact_digest(
    trainer: str, estimator: str, search: dict[str, Any]
) -> None:
    train = {"trainer": trainer, "estimator": estimator, "search": search, "trials": 2, "folds": 2, "seed": 7}
    spec, plan = a_spec(train=train), Plan.first(a_spec(train=train))

    def digest() -> str:
        best = best_of(spec, layout().schema, MODEL, rows_of(frame(200)), samples(spec), plan)
        assert isinstance(best, Candidate)
        made = train_model(spec, layout().schema, MODEL, PARTITION, rows_of(frame(200)), best, plan)
        return digest_of(made.artifact)

    assert digest() == digest()
