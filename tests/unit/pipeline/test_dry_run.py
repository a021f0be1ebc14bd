"""A dry run tells what a training would be, on a few models, and keeps nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from runtime.domain.errors import DataError, SpecError
from runtime.pipeline.dry_run import DryRun, dry_run, middle
from tests.unit.pipeline.flights import SPEC, a_spec

LATE = datetime(2027, 1, 1, tzinfo=UTC)
QUICK: dict[str, Any] = {"train": {"estimator": "Ridge", "search": {"alpha": "loguniform(1, 100)"}, "trials": 4}}


def run(models: int = 2, **changes: Any) -> DryRun:
    enough = {"for_each": {"by": ["carrier"], "min_rows": 40}}
    return dry_run(a_spec(**{**QUICK, **enough, **changes}), as_of=LATE, models=models)


def test_a_few_models_are_trained_and_judged() -> None:
    found = run(gates=[{"metric": "mae", "max": 1000}, {"metric": "mae", "max": 0.001}])
    assert (found.models, len(found.too_small)) == (6, 1)
    assert [each.model for each in found.tried] == ["flight-time-AA", "flight-time-MQ"]
    assert all(each.report is not None and len(each.report.failures) == 1 for each in found.tried)
    assert found.trains
    assert found.fits == 4 * 3 + 2
    assert found.core_seconds is not None
    assert found.core_seconds > 0


def test_the_middle_of_a_space_is_one_point_of_it() -> None:
    search = {
        "alpha": "loguniform(1, 100)",
        "tol": "uniform(0, 1)",
        "max_iter": "randint(10, 21)",
        "solver": ["auto", "svd"],
        "fit_intercept": True,
    }
    spec = a_spec(train={"estimator": "Ridge", "search": search})
    assert middle(spec) == {"alpha": 10, "tol": 0.5, "max_iter": 15, "solver": "auto", "fit_intercept": True}


def test_a_model_that_cannot_be_trained_says_why_and_the_others_go_on() -> None:
    found = run(train={"estimator": "Ridge", "search": {"solver": ["svd"], "positive": True}})
    assert not found.trains
    assert all("solver='svd'" in (each.failed or "") for each in found.tried)
    assert found.core_seconds is None


def test_what_cannot_be_tried_at_all_is_an_error() -> None:
    with pytest.raises(SpecError, match="Rigde"):
        run(train={"estimator": "Rigde"})
    with pytest.raises(SpecError, match=r"train\.search\.alpha: got -1\.0; expected a float in the range"):
        run(train={"estimator": "Ridge", "search": {"alpha": [-1.0, 1.0]}})
    with pytest.raises(DataError, match="no column 'hours'"):
        run(data=SPEC.as_document()["data"] | {"features": ["hours"]})
    with pytest.raises(DataError, match="no partition can be used"):
        dry_run(a_spec(**QUICK), as_of=datetime(2000, 1, 1, tzinfo=UTC), models=1)
