import numpy as np
import pytest

from runtime.statistics.detector import DetectorPlan, DetectorState, read, update
from runtime.statistics.errors import InvalidStatistic, NoEvidence, UncountableColumn
from runtime.statistics.performance import ErrorSummary, error_columns, error_profile


def test_a_summary_gives_the_usual_metrics() -> None:
    errors = np.random.default_rng(1).normal(0.3, 2, size=1000)
    summary = ErrorSummary.from_errors(errors)
    assert summary.mae == pytest.approx(np.abs(errors).mean())
    assert summary.rmse == pytest.approx(np.sqrt(np.square(errors).mean()))
    assert summary.bias == pytest.approx(errors.mean())


def test_rows_without_an_outcome_are_counted_but_not_averaged() -> None:
    summary = ErrorSummary.from_errors([2.0, np.nan, np.inf])
    assert (summary.rows, summary.unusable, summary.mae) == (1, 2, 2.0)


@pytest.mark.parametrize("metric", ["mae", "rmse", "bias"])
def test_a_metric_of_no_rows_is_refused(metric: str) -> None:
    with pytest.raises(NoEvidence, match=metric):
        getattr(ErrorSummary(), metric)


def test_sums_that_no_errors_could_have_are_refused() -> None:
    with pytest.raises(InvalidStatistic):
        ErrorSummary(rows=-1)
    with pytest.raises(InvalidStatistic):
        ErrorSummary(rows=1, sum_absolute=-1.0)
    with pytest.raises(InvalidStatistic):
        ErrorSummary(rows=1, sum_squared=np.inf)


def test_errors_must_be_one_column_of_numbers() -> None:
    with pytest.raises(UncountableColumn):
        ErrorSummary.from_errors([[1.0]])
    with pytest.raises(UncountableColumn):
        ErrorSummary.from_errors(["late"])


def test_a_baseline_of_errors_needs_an_outcome() -> None:
    with pytest.raises(NoEvidence):
        error_profile([np.nan])


@pytest.mark.parametrize(("scale", "offset"), [(1.0, 0.5), (1.6, 0.0)])
def test_a_change_of_concept_shows_in_the_errors(scale: float, offset: float) -> None:
    rng = np.random.default_rng(1)
    profile = error_profile(rng.normal(size=20_000))
    plan = DetectorPlan.build(profile, checks_between_false_alarms=10_000)
    state = DetectorState.fresh(plan)
    for _ in range(30):
        state, reading = update(plan, state, profile.count(error_columns(rng.normal(size=100))))
        assert not reading.alarm
    for _ in range(5):
        errors = rng.normal(offset, scale, size=100)
        state, _ = update(plan, state, profile.count(error_columns(errors)))
    assert read(plan, state).alarm
